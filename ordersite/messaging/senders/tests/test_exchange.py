"""What each failure of HTTP means for a message: taken, not taken, or not known."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from ordersite.messaging.senders.tests.sender_cases import PATIENCE, error_of
from ordersite.messaging.senders.types import ChannelKeys
from sandbox.tests.nobody import nobody


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1") as running:
        yield running


def wecom(url: str) -> ChannelKeys:
    return ChannelKeys("wecom", "s", {}, {"url": url})


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, "throttled"), (404, "bad_keys"), (500, "unknown"), (502, "unknown"), (302, "unknown")],
)
def test_status_without_an_answer(server: HTTPServer, status: int, code: str) -> None:
    server.expect_request("/").respond_with_data("<html>", status=status)

    error = error_of(wecom(server.url_for("/")))

    assert (error.code, error.words) == (code, f"HTTP {status}")


@pytest.mark.parametrize("body", ["", "[]", '{"errcode": null}', '{"errcode":0,"errcode":1}', "\0"])
def test_unreadable_answer_is_unknown(server: HTTPServer, body: str) -> None:
    server.expect_request("/").respond_with_data(body)

    assert error_of(wecom(server.url_for("/"))).code == "unknown"


def test_silence_is_unknown(server: HTTPServer) -> None:
    def late(_request: Request) -> Response:
        time.sleep(2 * PATIENCE)
        return Response("{}")

    server.expect_request("/").respond_with_handler(late)

    error = error_of(wecom(server.url_for("/")))

    assert (error.code, error.outcome_known) == ("unknown", False)


def test_call_that_was_never_sent() -> None:
    assert error_of(wecom(nobody())).code == "busy"


def test_address_that_may_not_be_called() -> None:
    assert error_of(wecom("http://169.254.169.254/latest")).code == "bad_keys"
