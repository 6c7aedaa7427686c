"""What the tests of providers share: a real port that stands for a provider's gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_httpserver import HTTPServer


@pytest.fixture(scope="module")
def server() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1", threaded=True) as running:
        yield running


@pytest.fixture
def gate(server: HTTPServer) -> HTTPServer:
    """The port without the answers and calls of the test before."""
    server.clear()
    return server
