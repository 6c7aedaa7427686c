"""What this app tells the composing rooms about an order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import prefetch_related_objects
from django.utils.translation import gettext

from orders.intake import numbers
from orders.labels import ACTORS, TRIGGERS
from orders.models import Order, OrderEvent, OrderEventText, OrderStatus
from ordersite.lib.money import format_amount
from ordersite.lib.panels import Entry, Item, Link, Panel

MOST_FOUND = 50
# Shorter beginnings of a number or a phone fit too many orders to be of use to anybody.
_SHORTEST_PREFIX = 8
_TONES = {OrderStatus.CLOSED: "bad", OrderStatus.REFUNDED: "bad", OrderStatus.PENDING: "waiting"}
_PEOPLE = frozenset({"staff", "buyer"})


def find(term: str, *, merchant_id: int | None = None) -> list[int]:
    """Orders by number (or its beginning) or by the buyer's phone, newest first, at most 50; indexed look-ups only.

    Of one merchant, where one is given: fifty orders of others must not hide its own.
    """
    text = term.strip().upper()
    rows = Order.objects.order_by("-id").values_list("id", flat=True)
    if merchant_id is not None:
        rows = rows.filter(merchant_id=merchant_id)
    if numbers.is_number(text):
        return list(rows.filter(number=text))
    if len(text) > 8 and text[:8].isdigit() and text[8] == "-":
        return list(rows.filter(number__startswith=text)[:MOST_FOUND])
    digits = text.removeprefix("+").replace("-", "").replace(" ", "")
    if not (digits.isascii() and digits.isdigit()) or len(digits) < _SHORTEST_PREFIX:
        return []
    exact = list(rows.filter(buyer_phone__in={text, *_spellings(digits)})[:MOST_FOUND])
    return exact or list(rows.filter(buyer_phone__startswith=digits)[:MOST_FOUND])


def _spellings(digits: str) -> set[str]:
    """How a shop may have written the number that a customer reads out: with the country code, or in groups."""
    found = {digits, f"+{digits}"}
    mobile = digits.removeprefix("0086").removeprefix("86")
    if len(mobile) == 11 and mobile.startswith("1"):
        grouped = f"{mobile[:3]}-{mobile[3:7]}-{mobile[7:]}"
        codes = ("", "86", "+86", "86-", "+86-", "0086", "0086-")
        found |= {code + form for code in codes for form in (mobile, grouped)}
    return found


def parts(orders: Sequence[Order]) -> dict[int, list[dict[str, Any]]]:
    """The lines of each order as the API shows them: one query."""
    prefetch_related_objects(list(orders), "lines")
    return {order.pk: line_views(order.lines.all()) for order in orders}


def line_views(lines: Iterable[Any]) -> list[dict[str, Any]]:
    """Lines, or drafts of some, as the API shows them."""
    return [_line(line) for line in lines]


def _line(line: Any) -> dict[str, Any]:
    return {
        "product_id": line.product_id,
        "name": line.name,
        "quantity": line.quantity,
        "unit_price": format_amount(line.unit_price),
        "amount": format_amount(line.amount),
    }


def panel(order: Order) -> Panel:
    """The lines with their amounts, and what makes up the total."""
    rows = [
        Item(
            title=f"{line.name} ×{line.quantity}",
            facts=((gettext("unit price"), f"¥{line.unit_price}"), (gettext("amount"), f"¥{line.amount}")),
        )
        for line in order.lines.all()
    ]
    sums = [(gettext("goods"), order.goods_amount), (gettext("shipping fee"), order.shipping_fee)]
    sums += [(gettext("discount"), -order.discount), (gettext("total"), order.total_amount)]
    total = Item(title=gettext("total"), facts=tuple((name, f"¥{amount}") for name, amount in sums if amount))
    return Panel(title=gettext("Lines"), items=(*rows, total))


def timeline(order: Order) -> list[Entry]:
    """The history of the order, oldest first, with the words that are kept beside it: two queries."""
    events = list(OrderEvent.objects.filter(order_id=order.pk).order_by("seq"))
    texts = dict(OrderEventText.objects.filter(order_id=order.pk).values_list("seq", "text"))
    return [_entry(event, texts.get(event.seq, "")) for event in events]


def _entry(event: OrderEvent, reason: str) -> Entry:
    return Entry(
        at=event.recorded_at,  # when we knew: a provider tells whole seconds, often before the order itself
        lane="people" if event.actor_kind in _PEOPLE else "order",
        title=_title(event),
        detail=" · ".join(filter(None, [_trigger(event), _who(event), reason])),
        tone=_tone(event),
        evidence=_evidence(event.evidence),
    )


def _title(event: OrderEvent) -> str:
    if event.kind == OrderEvent.Kind.TRANSITION:
        before, after = OrderStatus(event.from_status).label, OrderStatus(event.to_status).label
        return f"{before} → {after}"
    if event.kind == OrderEvent.Kind.NOTE and event.trigger in TRIGGERS:
        return str(TRIGGERS[event.trigger])
    return str(OrderEvent.Kind(event.kind).label)


def _trigger(event: OrderEvent) -> str:
    """What made it happen; a note has said so in its title."""
    is_told = event.kind == OrderEvent.Kind.NOTE and event.trigger in TRIGGERS
    return "" if is_told else str(TRIGGERS.get(event.trigger, event.trigger))


def _tone(event: OrderEvent) -> str:
    if event.kind == OrderEvent.Kind.TRANSITION:
        return _TONES.get(OrderStatus(event.to_status), "good")
    return {"hold": "bad", "close_requested": "waiting", "refund_requested": "waiting"}.get(
        event.kind, "plain"
    )


def _who(event: OrderEvent) -> str:
    kind = str(ACTORS.get(event.actor_kind, event.actor_kind))
    # A carrier is known by its parcel, which the evidence names.
    return kind if event.actor_kind == "carrier" else f"{kind} {event.actor_id}".strip()


def _evidence(text: str) -> str:
    if not text:
        return ""
    evidence = json.loads(text)
    return f"{evidence['kind']} {evidence['id']}".strip()


def explain(order: Order) -> list[Link]:
    """The first link of the chain: the order is there, and whether something keeps it where it is."""
    links = [Link(name="order", state="good", at=order.created_at, evidence=order.number)]
    if order.held:
        cause = gettext("The order is held: %(reason)s") % {"reason": order.hold_reason}
        links.append(Link(name="hold", state="broken", cause_code="held", cause=cause))
    if order.refunds_pending and order.status == OrderStatus.PAID:
        cause = gettext("¥%(amount)s is asked back: the order does not ship until that has ended.")
        words = cause % {"amount": format_amount(order.refunds_pending)}
        links.append(Link(name="refund", state="broken", cause_code="refund_under_way", cause=words))
    if order.status == OrderStatus.CLOSED:
        links.append(_closed(order))
    return links


def _closed(order: Order) -> Link:
    event = (
        OrderEvent.objects.filter(order_id=order.pk, to_status=OrderStatus.CLOSED).order_by("-seq").first()
    )
    trigger = event.trigger if event else ""
    cause = gettext("The order was closed by %(trigger)s.") % {"trigger": TRIGGERS.get(trigger, trigger)}
    return Link(
        name="closing", state="broken", at=order.closed_at, cause_code=f"closed_{trigger}", cause=cause
    )
