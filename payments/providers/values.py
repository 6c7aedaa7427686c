"""The limits and the plain values that every adapter shares: amounts, event ids, evidence texts."""

from __future__ import annotations

import hashlib
import json
import re
from decimal import Decimal

MAX_BODY = 64 * 1024
# Enough for a person to read as evidence, and a bound on what an outsider can make us store.
MAX_EVIDENCE = 4000
MAX_EVENT_ID = 200
# The longest reference, ours or a provider's, in any of the protocols (Alipay: out_trade_no and trade_no up to 64).
MAX_REFERENCE = 64
MAX_STATE = 30
CURRENCY = "CNY"

_CENT = Decimal("0.01")
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,2})?", re.ASCII)


def read_amount(text: str) -> Decimal | None:
    """The amount in yuan of a text of ASCII digits with at most two decimals; None for any other text."""
    return Decimal(text).quantize(_CENT) if _AMOUNT.fullmatch(text) else None


def write_amount(amount: Decimal) -> str:
    return f"{amount:.2f}"


def facts_digest(facts: object) -> str:
    """A digest of JSON data: of what a message reports, without what belongs to one sending of it.

    Part of its event id: a retry is the same event, other facts under the same id are another one.
    """
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def event_id(*parts: str) -> str:
    """The parts joined to one key; their hash where the key is longer than the column (MAX_EVENT_ID)."""
    joined = "|".join(parts)
    if len(joined) <= MAX_EVENT_ID:
        return joined
    return f"sha256:{hashlib.sha256(json.dumps(parts).encode()).hexdigest()}"


def evidence(text: str) -> str:
    """The text cut to MAX_EVIDENCE characters."""
    return text[:MAX_EVIDENCE]
