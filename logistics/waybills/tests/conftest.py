from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from logistics.carriers import registry
from logistics.waybills.tests import small_carrier
from logistics.waybills.tests.small_carrier import SmallCarrier, SmallConnector


@pytest.fixture
def carrier(monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallCarrier]:
    """A small carrier that runs, and its connector in the registry."""
    connectors: Any = registry.CARRIERS
    monkeypatch.setitem(connectors, SmallConnector.name, SmallConnector())
    with small_carrier.running() as running:
        yield running
