"""The part «dispatch» of an order's page: which warehouse, why, since when, and what is waited for."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _

from logistics import labels
from logistics.diagnosis.obstacles import DISPATCH_PAGE, obstacles_of
from logistics.dispatch.instructions import route
from logistics.models import Dispatch, DispatchStatus
from orders.models import Order, OrderStatus
from ordersite.lib.durations import time_since
from ordersite.lib.panels import Entry, Item, Panel


def rows_of(order: Order) -> list[Dispatch]:
    """The instructions of an order with their warehouses and goods, the newest first. Two queries."""
    rows = Dispatch.objects.filter(order_id=order.pk).select_related("warehouse").order_by("-pk")
    return list(rows.prefetch_related("lines__order_line"))


def staff_panel(order: Order) -> Panel | None:
    """The part with the routing's reasons, for staff; None where the shop instructs no warehouse."""
    rows = rows_of(order)
    if not rows and not _is_awaited(order):
        return None
    return Panel(_("Dispatch"), [_item(row, _staff_facts(row)) for row in rows], _why_none(order))


def merchant_panel(order: Order) -> Panel | None:
    """The part as the merchant's people see it: where the goods are being packed, and since when."""
    rows = [row for row in rows_of(order) if row.status != DispatchStatus.CANCELLED]
    if not rows and not _is_awaited(order):
        return None
    obstacle = obstacles_of([order]).get(order.pk)
    empty = obstacle.merchant if obstacle else _("No warehouse is instructed to send the goods yet.")
    return Panel(_("Dispatch"), [_item(row, _facts(row)) for row in rows], empty)


def _is_awaited(order: Order) -> bool:
    return order.status == OrderStatus.PAID and bool(route.warehouses_of([order.merchant_id]))


def _why_none(order: Order) -> str:
    if order.is_stopped:
        return _("Nothing is sent while the order is stopped.")
    obstacle = obstacles_of([order]).get(order.pk)
    return obstacle.cause if obstacle else _("It is being routed to a warehouse.")


def _item(row: Dispatch, facts: list[tuple[str, str]]) -> Item:
    is_late = row.is_overdue(timezone.now())
    state = str(DispatchStatus(row.status).label)
    return Item(
        title=f"{row.warehouse.name} #{row.pk}",
        facts=facts,
        state=_("%(state)s, overdue") % {"state": state} if is_late else state,
        tone="bad" if is_late else labels.DISPATCH_TONES[row.status],
        url_name=DISPATCH_PAGE,
        url_id=row.pk,
    )


def _facts(row: Dispatch) -> list[tuple[str, str]]:
    goods = labels.goods_of([(line.order_line.name, line) for line in row.lines.all()])
    facts = [(_("goods to send"), goods), (_("instructed at"), _moment(row.created_at))]
    if row.is_open:
        facts.append((_("waits for"), _awaited(row)))
    elif row.ended_at:
        facts.append((_("ended at"), _moment(row.ended_at)))
    if row.status == DispatchStatus.REFUSED:
        facts.append((_("the warehouse's answer"), labels.dispatch_answer(row)))
    return facts


def _staff_facts(row: Dispatch) -> list[tuple[str, str]]:
    why = " ".join(labels.dispatch_reasons(row.reasons))
    more = [(_("why this warehouse"), why)]
    if row.answer_due_at:
        more.append((_("answer due by"), _moment(row.answer_due_at)))
    return [*_facts(row), *more]


def _awaited(row: Dispatch) -> str:
    words = {
        DispatchStatus.WAITING: _("the warehouse to fetch it, for %(time)s"),
        DispatchStatus.SENT: _("the warehouse's answer, for %(time)s"),
        DispatchStatus.ACCEPTED: _("the parcel's confirmation, for %(time)s"),
    }
    return words[DispatchStatus(row.status)] % {"time": time_since(row.created_at)}


def _moment(at: object) -> str:
    return f"{timezone.localtime(at):%m-%d %H:%M}"  # type: ignore[arg-type]


def entries_of(order: Order) -> list[Entry]:
    """When warehouses were instructed, and what became of it: lines of the order's timeline."""
    entries = []
    for row in rows_of(order):
        url = {"url_name": DISPATCH_PAGE, "url_id": row.pk}
        place = {"warehouse": row.warehouse.name}
        title = _("Instruction to %(warehouse)s") % place
        entries.append(Entry(row.created_at, "parcel", title, evidence=f"#{row.pk}", **url))  # type: ignore[arg-type]
        if row.ended_at and row.status in (DispatchStatus.REFUSED, DispatchStatus.CANCELLED):
            is_refused = row.status == DispatchStatus.REFUSED
            said = _("%(warehouse)s refused") if is_refused else _("Instruction to %(warehouse)s cancelled")
            answer = labels.dispatch_answer(row)
            tone = "bad" if is_refused else "plain"
            entries.append(Entry(row.ended_at, "parcel", said % place, answer, tone, f"#{row.pk}", **url))  # type: ignore[arg-type]
    return entries
