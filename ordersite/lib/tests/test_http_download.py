"""Files from outside: streamed to their place in bounded memory, and nothing left where that fails."""

from __future__ import annotations

import gzip
import stat
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response as HttpResponse

from ordersite.lib import http
from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway
from ordersite.lib.tests.test_http import RudeServer

ROOM = 50_000_000


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1", threaded=True) as running:
        yield running


def outside(provoke: Callable[[], object]) -> tuple[str, bool, bool]:
    with pytest.raises(OutsideError) as caught:
        provoke()
    return caught.value.code, caught.value.retryable, caught.value.outcome_known


def test_a_file_arrives_whole_and_private(server: HTTPServer, tmp_path: Path) -> None:
    server.expect_request("/bill", headers={"X-Own": "1"}).respond_with_data(b"\x00\xffa,b\r\n")
    target = tmp_path / "bill.csv"
    reply = Gateway().download(server.url_for("/bill"), headers={"x-own": "1"}, target=target, max_bytes=9)
    assert (reply.status, reply.body, target.read_bytes()) == (200, b"", b"\x00\xffa,b\r\n")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [target]


def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    size = 20_000_000
    response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    target = tmp_path / "bill.csv"
    with RudeServer(response) as port:
        tracemalloc.start()
        Gateway().download(f"http://127.0.0.1:{port}/", headers={}, target=target, max_bytes=ROOM)
        _now, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert target.stat().st_size == size
    assert most < 5_000_000


def test_another_status_is_an_answer_and_no_file(server: HTTPServer, tmp_path: Path) -> None:
    server.expect_request("/bill").respond_with_data(b'{"code":"NO"}', status=404)
    reply = Gateway().download(
        server.url_for("/bill"), headers={}, target=tmp_path / "bill.csv", max_bytes=ROOM
    )
    assert (reply.status, reply.body) == (404, b'{"code":"NO"}')
    assert list(tmp_path.iterdir()) == []


def test_a_file_too_large_leaves_nothing(server: HTTPServer, tmp_path: Path) -> None:
    server.expect_request("/bill").respond_with_data(b"x" * 5001)
    target = tmp_path / "bill.csv"
    target.write_bytes(b"of yesterday")
    assert outside(
        lambda: Gateway().download(server.url_for("/bill"), headers={}, target=target, max_bytes=5000)
    ) == ("provider_answer_too_large", True, False)
    assert (list(tmp_path.iterdir()), target.read_bytes()) == ([target], b"of yesterday")


def test_a_file_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    with RudeServer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") as port:
        assert outside(
            lambda: Gateway().download(
                f"http://127.0.0.1:{port}/", headers={}, target=tmp_path / "bill.csv", max_bytes=ROOM
            )
        ) == ("provider_timeout", True, False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.serial
def test_a_file_that_trickles_is_given_up(
    server: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trickle() -> Iterator[bytes]:
        for _number in range(80):
            time.sleep(0.05)
            yield b"x"

    # The whole time holds for the connection too, which a busy machine makes late.
    monkeypatch.setattr(http, "DOWNLOAD_SECONDS", 0.6)
    server.expect_request("/bill").respond_with_handler(lambda _request: HttpResponse(trickle()))
    start = time.monotonic()
    assert outside(
        lambda: Gateway().download(
            server.url_for("/bill"), headers={}, target=tmp_path / "bill.csv", max_bytes=ROOM
        )
    ) == ("provider_timeout", True, False)
    assert time.monotonic() - start < 1.6
    assert list(tmp_path.iterdir()) == []


def test_a_compressed_transfer_leaves_nothing(server: HTTPServer, tmp_path: Path) -> None:
    server.expect_request("/bill").respond_with_data(
        gzip.compress(b"a"), headers={"Content-Encoding": "gzip"}
    )
    code, _retryable, _known = outside(
        lambda: Gateway().download(
            server.url_for("/bill"), headers={}, target=tmp_path / "bill.csv", max_bytes=ROOM
        )
    )
    assert (code, list(tmp_path.iterdir())) == ("provider_answer_compressed", [])


def test_unwritable_target_is_an_error(server: HTTPServer, tmp_path: Path) -> None:
    server.expect_request("/bill").respond_with_data(b"a")
    with pytest.raises(FileNotFoundError):
        Gateway().download(
            server.url_for("/bill"), headers={}, target=tmp_path / "none" / "bill.csv", max_bytes=ROOM
        )
    assert Gateway().get(server.url_for("/bill")).body == b"a"
