"""A pytest plugin: the fixture `box`, a sandbox process for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.tests.running import Running, started


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One sandbox process for the tests of a module; each test uses references of its own."""
    with started(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Remove what a test leaves in the sandbox: faults, unfinished notifications, instructions, messages, webhooks.

    SQLite gives the next test the same keys.
    """
    yield
    if "box" in request.fixturenames:
        box: Running = request.getfixturevalue("box")
        box.control("faults", "DELETE")
        box.control("notifications", "DELETE")
        box.control("instructions", "DELETE")
        box.control("messages", "DELETE")
        box.control("hooks", "DELETE")
