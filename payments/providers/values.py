"""The limits and the plain values that every adapter shares: amounts, event ids, evidence texts."""

from __future__ import annotations

import hashlib
import json
import re
from decimal import Decimal

MAX_BODY = 64 * 1024
# Room for what a person needs as evidence, not for what an outsider wishes to store.
MAX_EVIDENCE = 4000
MAX_EVENT_ID = 200
# Longest number of ours or theirs in any of the protocols (Alipay: out_trade_no and trade_no up to 64).
MAX_REFERENCE = 64
MAX_STATE = 30
CURRENCY = "CNY"

_CENT = Decimal("0.01")
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,2})?", re.ASCII)


def read_amount(text: str) -> Decimal | None:
    """A positive or zero amount in yuan, ASCII digits and at most two decimals; None for any other text."""
    return Decimal(text).quantize(_CENT) if _AMOUNT.fullmatch(text) else None


def write_amount(amount: Decimal) -> str:
    return f"{amount:.2f}"


def event_id(*parts: str) -> str:
    """The parts as one key; a hash where they are too long for the column."""
    joined = "|".join(parts)
    if len(joined) <= MAX_EVENT_ID:
        return joined
    return f"sha256:{hashlib.sha256(json.dumps(parts).encode()).hexdigest()}"


def evidence(text: str) -> str:
    """Text bounded for storing."""
    return text[:MAX_EVIDENCE]
