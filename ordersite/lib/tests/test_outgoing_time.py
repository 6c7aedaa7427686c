"""A call to the outside ends in its total time, however the other side spreads what it sends."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway
from ordersite.lib.tests.drip import dripping

TOTAL = 0.7
# What the machine may need on top.
SLACK = 0.8
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n"


@pytest.mark.parametrize(
    ("first", "drip"),
    [
        pytest.param(b"", b"", id="silent"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Long: ", b"a", id="head byte by byte"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"X-More: a\r\n", id="endless headers"),
        pytest.param(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", id="1xx again and again"),
        pytest.param(HEAD + b"\r\n", b"a", id="body byte by byte"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", id="endless chunks"
        ),
    ],
)
def test_a_dripping_answer_ends_in_time(first: bytes, drip: bytes) -> None:
    start = time.monotonic()
    with dripping(first, drip) as server, pytest.raises(OutsideError) as caught:
        Gateway(total=TOTAL).post(f"http://127.0.0.1:{server.port}/", content=b"x", headers={})

    assert (caught.value.code, caught.value.outcome_known) == ("provider_timeout", False)
    assert TOTAL - 0.05 <= time.monotonic() - start < TOTAL + SLACK


def test_a_dripping_handshake_ends_in_time() -> None:
    start = time.monotonic()
    with dripping(b"\x16\x03\x03\x40\x00", b"\x02") as server, pytest.raises(OutsideError) as caught:
        Gateway(total=TOTAL, connect=60).get(f"https://127.0.0.1:{server.port}/")

    assert (caught.value.code, caught.value.outcome_known) == ("provider_unreachable", True)
    assert time.monotonic() - start < TOTAL + SLACK


def test_a_request_that_nobody_reads_ends_in_time() -> None:
    start = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(OutsideError):
            Gateway(total=TOTAL, write=60).post(url, content=b"x" * 20_000_000, headers={})

    assert time.monotonic() - start < TOTAL + SLACK


def test_a_resolver_that_hangs_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def getaddrinfo(*_args: Any, **_kwargs: Any) -> list[Any]:
        over.wait(10)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    start = time.monotonic()
    with pytest.raises(OutsideError) as caught:
        Gateway(total=TOTAL, connect=60).get("https://provider.example/")
    over.set()

    assert caught.value.code == "provider_unreachable"
    assert time.monotonic() - start < TOTAL + SLACK


def test_a_dripping_download_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ordersite.lib.http.DOWNLOAD_SECONDS", TOTAL)
    start = time.monotonic()
    with dripping(b"HTTP/1.1 200 OK\r\nX-Long: ", b"a") as server:
        url = f"http://127.0.0.1:{server.port}/"
        with pytest.raises(OutsideError):
            Gateway().download(url, headers={}, target=tmp_path / "bill", max_bytes=1000)

    assert time.monotonic() - start < TOTAL + SLACK
    assert list(tmp_path.iterdir()) == []


def test_a_connection_is_used_again_after_its_call() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    lines: list[socket.socket] = []

    def serve() -> None:
        line, _address = listener.accept()
        lines.append(line)
        for _number in range(2):
            line.recv(65536)
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    threading.Thread(target=serve, daemon=True).start()
    ours = Gateway(total=TOTAL)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    first = ours.get(url).body
    time.sleep(TOTAL)
    second = ours.get(url).body

    assert (first, second, len(lines)) == (b"ok", b"ok", 1)
    listener.close()
