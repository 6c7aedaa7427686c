"""For schemathesis: the two rules of a creation that no JSON schema can say.

Amounts add up to a payable total, and a key comes with one body only.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import schemathesis

from ordersite.lib.money import LARGEST, parse_amount


@schemathesis.hook("before_call")
def keep_to_the_rules(
    _context: schemathesis.HookContext, case: schemathesis.Case, _kwargs: dict[str, Any]
) -> None:
    """A key of its own for each valid key; no discount and one piece where the rest is right and does not add up."""
    key = str(case.headers.get("Idempotency-Key", "")) if case.headers else ""
    if key.strip() and key.isascii() and key.isprintable():
        case.headers["Idempotency-Key"] = secrets.token_hex(8)
    body: Any = case.body
    if isinstance(body, dict) and _is_unpayable(body):
        body.pop("discount", None)
        body["lines"] = [{**line, "quantity": 1, "unit_price": "1.00"} for line in body["lines"]]
        body["shipping_fee"] = "1.00"


def _is_unpayable(body: Mapping[str, Any]) -> bool:
    try:
        goods = sum(
            (parse_amount(line["unit_price"]) * line["quantity"] for line in body["lines"]), Decimal(0)
        )
        fees = parse_amount(body.get("shipping_fee", "0"))
        discount = parse_amount(body.get("discount", "0"))
    except (ValueError, TypeError, KeyError, AttributeError):
        return False  # wrong in a field: that is for the application to find
    return goods + fees > LARGEST or goods + fees <= discount
