"""What orders contributes to the pages and the API about an order: search, lines, panel, timeline, diagnosis."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext

from orders.intake import numbers
from orders.labels import ACTORS, TRIGGERS, note_label, reason_label
from orders.models import ApiClient, Order, OrderEvent, OrderEventText, OrderStatus
from ordersite.lib.money import display_amount, format_amount
from ordersite.lib.panels import Entry, Item, Link, Panel

MOST_FOUND = 50
# Shorter beginnings of a number or a phone fit too many orders to be of use to anybody.
_SHORTEST_PREFIX = 8
_TONES = {OrderStatus.CLOSED: "bad", OrderStatus.REFUNDED: "bad", OrderStatus.PENDING: "waiting"}
_PEOPLE = frozenset({"staff", "buyer"})


def digits_of(term: str) -> str:
    """A phone number as it is compared: without a plus, dashes and blanks."""
    return term.strip().removeprefix("+").replace("-", "").replace(" ", "")


def find(
    term: str, *, merchant_id: int | None = None, by_phone: bool = True, parts_of_phones: bool = True
) -> list[int]:
    """Ids of at most 50 orders by number, its beginning or end, or the buyer's phone; newest first, by index only.

    Searches the orders of one merchant if `merchant_id` is given: fifty orders of others must not hide its own. Pages
    search through `orders.phone_search`, which knows who may search by a part of a phone.
    """
    text = term.strip().upper()
    rows = Order.objects.of_merchant(merchant_id).order_by("-id").values_list("id", flat=True)
    if numbers.is_number(text):
        return list(rows.filter(number=text))
    if len(text) > 8 and text[:8].isdigit() and text[8] == "-":
        return list(rows.filter(number__startswith=text)[:MOST_FOUND])
    tailed = numbers.numbers_with_tail(text, timezone.now())
    if tailed and (found := list(rows.filter(number__in=tailed)[:MOST_FOUND])):
        return found
    digits = digits_of(text)
    if not by_phone or not (digits.isascii() and digits.isdigit()) or len(digits) < _SHORTEST_PREFIX:
        return []
    exact = list(rows.filter(buyer_phone__in={text, *_spellings(digits)})[:MOST_FOUND])
    if exact or not parts_of_phones:
        return exact
    return list(rows.filter(buyer_phone__startswith=digits)[:MOST_FOUND])


def _spellings(digits: str) -> set[str]:
    """The ways in which a shop may have stored a phone number: with a country code, or in groups."""
    found = {digits, f"+{digits}"}
    mobile = digits.removeprefix("0086").removeprefix("86")
    if len(mobile) == 11 and mobile.startswith("1"):
        grouped = f"{mobile[:3]}-{mobile[3:7]}-{mobile[7:]}"
        codes = ("", "86", "+86", "86-", "+86-", "0086", "0086-")
        found |= {code + form for code in codes for form in (mobile, grouped)}
    return found


def parts(orders: Sequence[Order]) -> dict[int, list[dict[str, Any]]]:
    """The API's `lines` of each order, by order id. One query."""
    prefetch_related_objects(list(orders), "lines")
    return {order.pk: line_views(order.lines.all()) for order in orders}


def line_views(lines: Iterable[Any]) -> list[dict[str, Any]]:
    """Order lines or line drafts as the API shows them."""
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
    """The box of lines on the order page, with the sums that make up the total."""
    rows = [
        Item(
            title=f"{line.name} ×{line.quantity}",
            facts=(
                (gettext("unit price"), display_amount(line.unit_price)),
                (gettext("amount"), display_amount(line.amount)),
            ),
        )
        for line in order.lines.all()
    ]
    sums = [(gettext("goods"), order.goods_amount), (gettext("shipping fee"), order.shipping_fee)]
    sums += [(gettext("discount"), -order.discount), (gettext("total"), order.total_amount)]
    total = Item(
        title=gettext("total"), facts=tuple((name, display_amount(amount)) for name, amount in sums if amount)
    )
    return Panel(title=gettext("Lines"), items=(*rows, total))


def timeline(order: Order) -> list[Entry]:
    """The order's history with its texts, oldest first. At most three queries.

    The waybill of the confirmation that shipped the order is part of that transition, not an entry of its own.
    """
    events = list(order.events.order_by("seq"))
    shipped_by = {event.evidence for event in events if event.to_status == OrderStatus.SHIPPED}
    shown = [e for e in events if e.kind != OrderEvent.EventKind.WAYBILL or e.evidence not in shipped_by]
    texts = dict(OrderEventText.objects.filter(order_id=order.pk).values_list("seq", "text"))
    actors = actor_labels(shown)
    return [_entry(event, actors[event.seq], texts.get(event.seq, "")) for event in shown]


def _entry(event: OrderEvent, actor: str, reason: str) -> Entry:
    return Entry(
        at=event.recorded_at,  # a provider's times are whole seconds, often before the order's own
        topic="people" if event.actor_kind in _PEOPLE else "order",
        title=_title(event),
        detail=" · ".join(filter(None, [_trigger(event), actor, note_label(reason)])),
        tone=_tone(event),
        evidence=_evidence(event.evidence),
    )


def _title(event: OrderEvent) -> str:
    if event.kind == OrderEvent.EventKind.TRANSITION:
        before, after = OrderStatus(event.from_status).label, OrderStatus(event.to_status).label
        return f"{before} → {after}"
    if event.kind == OrderEvent.EventKind.NOTE and event.trigger in TRIGGERS:
        return str(TRIGGERS[event.trigger])
    return str(OrderEvent.EventKind(event.kind).label)


def _trigger(event: OrderEvent) -> str:
    """The label of the trigger; empty where the title is that label already."""
    is_title = event.kind == OrderEvent.EventKind.NOTE and event.trigger in TRIGGERS
    return "" if is_title else str(TRIGGERS.get(event.trigger, event.trigger))


def _tone(event: OrderEvent) -> str:
    if event.kind == OrderEvent.EventKind.TRANSITION:
        return _TONES.get(OrderStatus(event.to_status), "good")
    return {"hold": "bad", "close_requested": "waiting", "refund_requested": "waiting"}.get(
        event.kind, "plain"
    )


def actor_labels(events: Sequence[OrderEvent]) -> dict[int, str]:
    """Who did it, by the line's seq; a client of the API by its name. At most one query."""
    ids = {event.actor_id for event in events if event.actor_kind == "client" and event.actor_id.isdigit()}
    rows = ApiClient.objects.filter(pk__in=ids).values_list("pk", "name") if ids else []
    names = {str(pk): name for pk, name in rows}
    return {event.seq: _actor(event, names) for event in events}


def _actor(event: OrderEvent, names: Mapping[str, str]) -> str:
    kind = str(ACTORS.get(event.actor_kind, event.actor_kind))
    if event.actor_kind == "carrier":
        return kind  # the evidence names the parcel and with it the carrier
    name = names.get(event.actor_id, event.actor_id) if event.actor_kind == "client" else event.actor_id
    return f"{kind} {name}".strip()


def _evidence(text: str) -> str:
    if not text:
        return ""
    evidence = json.loads(text)
    return f"{evidence['kind']} {evidence['id']}".strip()


def explain(order: Order) -> list[Link]:
    """The first links of the diagnosis: the order exists, and whatever keeps it from moving on."""
    links = [Link(name="order", state="good", at=order.created_at, evidence=order.number)]
    if order.held:
        cause = gettext("The order is held: %(reason)s") % {"reason": reason_label(order.hold_reason)}
        links.append(Link(name="hold", state="broken", cause_code="held", cause=cause))
    if order.is_stopped_by_refund:
        cause = gettext("A refund of %(amount)s is under way: the order does not ship until it has ended.")
        text = cause % {"amount": display_amount(order.refunds_pending)}
        links.append(Link(name="refund", state="broken", cause_code="refund_under_way", cause=text))
    if order.status == OrderStatus.CLOSED:
        links.append(_closed(order))
    return links


def _closed(order: Order) -> Link:
    event = order.events.filter(to_status=OrderStatus.CLOSED).order_by("-seq").first()
    trigger = event.trigger if event else ""
    cause = gettext("The order was closed by %(trigger)s.") % {"trigger": TRIGGERS.get(trigger, trigger)}
    return Link(
        name="closing", state="broken", at=order.closed_at, cause_code=f"closed_{trigger}", cause=cause
    )
