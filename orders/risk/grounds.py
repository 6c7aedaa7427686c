"""Why a rule holds an order: plain data that goes from the rule to the review."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a rule has against an order. `code` is one of `orders.labels.HOLD_REASONS`; `since` (UTC) begins its window.

    `products` are those that it is about; `seen` is JSON: what the rule saw.
    """

    code: str
    since: datetime
    products: Sequence[str]
    seen: Mapping[str, Any]
