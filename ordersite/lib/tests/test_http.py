"""The gateway over real HTTP: bounds, time-outs, and what it says about the outcome."""

from __future__ import annotations

import gzip
import multiprocessing
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request
from werkzeug import Response as HttpResponse

from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway, gateway, is_loopback, is_private_enough, is_web_address


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1", threaded=True) as running:
        yield running


def outside(provoke: Callable[[], object]) -> tuple[str, bool, bool]:
    with pytest.raises(OutsideError) as caught:
        provoke()
    return caught.value.code, caught.value.retryable, caught.value.outcome_known


def echo(request: Request) -> HttpResponse:
    return HttpResponse(
        request.get_data(), headers={"X-Method": request.method, "X-Seen": request.headers["X-Own"]}
    )


def test_bytes_go_out_and_come_back_untouched(server: HTTPServer) -> None:
    server.expect_request("/a").respond_with_handler(echo)
    reply = Gateway().post(server.url_for("/a"), content=b"\x00\xff +&", headers={"x-own": "1"})
    assert (reply.status, reply.body) == (200, b"\x00\xff +&")
    assert (reply.headers["x-method"], reply.headers["x-seen"]) == ("POST", "1")
    assert 0 <= reply.duration_ms < 5000


def test_get(server: HTTPServer) -> None:
    server.expect_request("/a", method="GET", query_string="q=1").respond_with_data("ok", status=404)
    reply = gateway().get(server.url_for("/a?q=1"))
    assert (reply.status, reply.body) == (404, b"ok")


def test_redirects_are_answers(server: HTTPServer) -> None:
    server.expect_request("/a").respond_with_data("", status=302, headers={"Location": server.url_for("/b")})
    reply = Gateway().get(server.url_for("/a"))
    assert (reply.status, len(server.log)) == (302, 1)


def test_cookies_are_not_kept(server: HTTPServer) -> None:
    server.expect_request("/a").respond_with_data("", headers={"Set-Cookie": "s=1; Path=/"})
    ours = Gateway()
    ours.get(server.url_for("/a"))
    ours.get(server.url_for("/a"))
    assert "Cookie" not in server.log[1][0].headers


def test_a_large_body_is_cut_off(server: HTTPServer) -> None:
    server.expect_request("/a").respond_with_data(b"x" * 5000)
    assert len(Gateway(max_bytes=5000).get(server.url_for("/a")).body) == 5000
    assert outside(lambda: Gateway(max_bytes=4999).get(server.url_for("/a"))) == (
        "provider_answer_too_large",
        True,
        False,
    )


def test_a_compressed_body_is_not_unpacked(server: HTTPServer) -> None:
    bomb = gzip.compress(b"\0" * 10_000_000)
    server.expect_request("/a").respond_with_data(bomb, headers={"Content-Encoding": "gzip"})
    assert outside(lambda: Gateway().get(server.url_for("/a")))[0] == "provider_answer_compressed"


def _late(_request: Request) -> HttpResponse:
    time.sleep(0.5)
    return HttpResponse("")


@pytest.mark.serial
def test_a_slow_answer_leaves_the_outcome_open(server: HTTPServer) -> None:
    server.expect_request("/a").respond_with_handler(_late)
    start = time.monotonic()
    assert outside(lambda: Gateway(read=0.1).post(server.url_for("/a"), content=b"", headers={})) == (
        "provider_timeout",
        True,
        False,
    )
    assert time.monotonic() - start < 0.45


def test_broken_connection_has_unknown_outcome() -> None:
    with RudeServer(b"") as port:
        assert outside(lambda: Gateway().get(f"http://127.0.0.1:{port}/")) == (
            "provider_timeout",
            True,
            False,
        )
    with RudeServer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") as port:
        assert outside(lambda: Gateway().get(f"http://127.0.0.1:{port}/")) == (
            "provider_timeout",
            True,
            False,
        )


class RudeServer:
    """Takes one connection, says its words, and hangs up."""

    def __init__(self, response: bytes) -> None:
        self._response = response
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        threading.Thread(target=self._serve, daemon=True).start()
        return int(self._listener.getsockname()[1])

    def _serve(self) -> None:
        connection, _address = self._listener.accept()
        connection.recv(65536)
        connection.sendall(self._response)
        connection.close()

    def __exit__(self, *_args: object) -> None:
        self._listener.close()


def test_refused_connection_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert outside(lambda: Gateway().get(f"http://127.0.0.1:{port}/")) == ("provider_unreachable", True, True)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "file:///etc/passwd",
        "ftp://a/",
        "gopher://a",
        "/a",
        "http://",
        "http://u:p@a/",
        "http://a:99999/",
        "http://[::",
    ],
)
def test_other_addresses_are_refused_unsent(url: str) -> None:
    assert not is_web_address(url)
    assert outside(lambda: Gateway().get(url)) == ("bad_address", False, True)


@pytest.mark.parametrize(
    ("url", "loopback", "private"),
    [
        ("http://127.0.0.1:8900/a", True, True),
        ("http://localhost/", True, True),
        ("http://[::1]:1/", True, True),
        ("https://poll.kuaidi100.com/", False, True),
        ("http://poll.kuaidi100.com/", False, False),
        ("http://127.0.0.1.example/", False, False),
        ("http://localhost.example/", False, False),
        ("http://127.0.0.1@example/", False, False),
        ("file://127.0.0.1/", False, False),
    ],
)
def test_address_on_this_machine_or_network(url: str, loopback: bool, private: bool) -> None:
    assert (is_loopback(url), is_private_enough(url)) == (loopback, private)


def test_environment_proxy_is_not_used(server: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server.expect_request("/a").respond_with_data("ok")
    assert Gateway().get(server.url_for("/a")).body == b"ok"


def test_threads_share_one_gateway(server: HTTPServer) -> None:
    server.expect_request("/a").respond_with_handler(lambda request: HttpResponse(request.get_data()))
    ours, url = Gateway(), server.url_for("/a")
    bodies = [b"%d" % number for number in range(60)]
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda body: ours.post(url, content=body, headers={}).body, bodies))
    assert found == bodies


def test_forked_child_has_its_own_connections(server: HTTPServer) -> None:
    server.expect_request("/a").respond_with_handler(lambda request: HttpResponse(request.get_data()))
    ours, url = Gateway(), server.url_for("/a")
    assert ours.post(url, content=b"parent", headers={}).body == b"parent"
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=lambda: queue.put(ours.post(url, content=b"child", headers={}).body))
    child.start()
    child.join(20)
    assert queue.get() == b"child"
    assert ours.post(url, content=b"again", headers={}).body == b"again"
    assert [request.get_data() for request, _response in server.log] == [b"parent", b"child", b"again"]
