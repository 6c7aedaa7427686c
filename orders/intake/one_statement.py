"""Creates an order in one statement (PostgreSQL): key, buyer, order, lines, first history line, event and commit.

In any case but the common one the statement writes nothing, and `orders.intake.create` takes over step by step: a
used key, a twin, a clash of numbers, a confirmed duplicate.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from typing import Any

from django.db import IntegrityError, connection, connections, transaction

from orders.history import lines
from orders.intake import create, numbers
from orders.intake.drafts import LineDraft, OrderDraft
from orders.intake.idempotency import Claim
from orders.models import Buyer, IdempotencyKey, Merchant, Order, OrderEvent, OrderLine
from ordersite.database import arrays, prepared
from ordersite.database.prepared import Insert
from ordersite.queue import outbox, wakeups
from ordersite.queue.models import OutboxEntry

_LINE = ("product_id", "name", "quantity", "unit_price", "amount")
# The lock timeout holds for this statement's own transaction.
_CLAIM = Insert(
    IdempotencyKey,
    source="set_config('lock_timeout', '2s', true)",
    given={"subject_id": "nextval(pg_get_serial_sequence('orders_order', 'id'))"},
    tail="ON CONFLICT DO NOTHING RETURNING subject_id",
)
_BUYER = Insert(Buyer, source="claim", tail=create.UPDATE_BUYER)
_ORDER = Insert(
    Order,
    source="claim, buyer",
    given={"id": "claim.subject_id", "buyer_id": "buyer.id", "is_important": "buyer.tier = 'important'"},
    tail="RETURNING id",
)
_EVENT = Insert(OrderEvent, source="made", given={"order_id": "made.id"})
_OUTBOX = Insert(OutboxEntry, source="made", given={"subject_id": "made.id"})


def place(draft: OrderDraft, *, merchant: Merchant, claim: Claim) -> Order | None:
    """Create and commit the order with its key, or write nothing and return None: create it step by step then.

    Raises OperationalError when the key or the buyer stays locked for 2 s. The returned order has its buyer and
    merchant loaded, not its lines.
    """
    # An invalid draft goes step by step: a used key is reported first.
    if connection.vendor != "postgresql" or draft.confirm_duplicate or not draft.is_payable:
        return None
    order = _unsaved_order(draft, merchant, claim)
    params = _params(order, draft, claim)
    try:
        with _savepoint():
            row = prepared.fetch_one(_statement(), params)
    except IntegrityError:  # a twin, or a number that is taken
        return None
    if row is None:  # the key is taken
        return None
    transaction.on_commit(partial(wakeups.wake, outbox.RELAY_TASK))
    return _completed(order, row)


def _completed(order: Order, row: tuple[Any, ...]) -> Order:
    """Set the values that the statement returned on the order and its buyer."""
    buyer = order.buyer
    order.pk, buyer.pk, buyer.tier, buyer.openid, buyer.email = row
    order.buyer, order.is_important = buyer, buyer.tier == Buyer.Tier.IMPORTANT
    order._state.adding = buyer._state.adding = False
    return order


def _savepoint() -> AbstractContextManager[Any]:
    """A savepoint inside an open transaction, which a refused statement must not break; else nothing."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


def _unsaved_order(draft: OrderDraft, merchant: Merchant, claim: Claim) -> Order:
    known = draft.buyer
    buyer = Buyer(
        merchant=merchant,
        outside_id=known.id,
        name=known.name,
        phone=known.phone,
        openid=known.openid,
        email=known.email,
        tier=known.tier or Buyer.Tier.NORMAL.value,
    )
    order = create.unsaved(draft, buyer, merchant, claim.created_at)
    order.number, order.tracking_token = numbers.new_number(order.created_at), numbers.new_tracking_token()
    return order


def _params(order: Order, draft: OrderDraft, claim: Claim) -> list[Any]:
    """The parameters of `_statement`. Chains the first history line, whose hash stands on the order's row."""
    moment = order.created_at
    (line,) = lines.chain([(order, create.first_fact(order, draft))], now=moment).lines
    event = outbox.Event("order.created", 0, moment, {"number": order.number})
    return [
        *_CLAIM.params(claim),
        *_BUYER.params(order.buyer),
        "t" if draft.buyer.tier else "f",
        *_ORDER.params(order),
        *_line_columns(draft.lines),
        *_EVENT.params(line),
        *_OUTBOX.params(event),
    ]


def _line_columns(drafts: tuple[LineDraft, ...]) -> list[Any]:
    database = connections[connection.alias]
    return [arrays.column(OrderLine._meta.get_field(name), drafts, database) for name in _LINE]  # type: ignore[arg-type]


@cache
def _statement() -> str:
    casts = [prepared.cast(OrderLine._meta.get_field(name)) for name in _LINE]  # type: ignore[arg-type]
    columns, sources = ", ".join(_LINE), ", ".join(f"%s::{kind}[]" for kind in casts)
    return f"""
WITH claim AS ({_CLAIM.sql()}),
buyer AS ({_BUYER.sql()}),
made AS ({_ORDER.sql()}),
line AS (INSERT INTO orders_orderline (order_id, position, {columns})
 SELECT made.id, l.position, {", ".join(f"l.{name}" for name in _LINE)}
 FROM made, unnest({sources}) WITH ORDINALITY AS l({columns}, position)),
event AS ({_EVENT.sql()}),
entry AS ({_OUTBOX.sql()})
SELECT made.id, buyer.id, buyer.tier, buyer.openid, buyer.email FROM made, buyer
"""  # noqa: S608
