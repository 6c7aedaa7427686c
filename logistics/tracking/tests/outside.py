"""A sandbox with carriers, for a whole module of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.tests.running import Running, started

# The sandbox's couriers; their own number may be kept nowhere.
COURIER = "13911112222"


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with started(tmp_path_factory.mktemp("sandbox")) as running:
        yield running
