"""A fake of a provider's gateway on a real port, for the tests of payments."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_httpserver import HTTPServer


@pytest.fixture(scope="module")
def module_server() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1", threaded=True) as running:
        yield running


@pytest.fixture
def server(module_server: HTTPServer) -> HTTPServer:
    """The server without the responses and requests of the previous test."""
    module_server.clear()
    return module_server
