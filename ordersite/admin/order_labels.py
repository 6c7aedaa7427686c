"""How an order's state looks, and the box at its top: what is true of it, why it does not move, what can be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from orders.closing import closing_estimate
from orders.models import Order, OrderStatus
from orders.truth.facts import TruthLine
from orders.truth.sentence import Truth
from ordersite.diagnosis.labels import LINKS
from ordersite.lib.adminkit import badges
from ordersite.lib.panels import Link

STATUS_TONES: dict[str, str] = {
    OrderStatus.PENDING: "waiting",
    OrderStatus.PAID: "moving",
    OrderStatus.SHIPPED: "moving",
    OrderStatus.COMPLETED: "good",
    OrderStatus.CLOSED: "plain",
    OrderStatus.REFUNDED: "bad",
}
# Links of the chain that the sentence speaks of itself; a hold is named by a link of its own.
_SAID = frozenset({"closing", "dispatched", "shipped"})
# Of the actions of the row that a line is about, those that answer it; the rest stand on the row's own page.
_ANSWERS: dict[str, frozenset[str]] = {
    "payments_paymentexception_change": frozenset({"refund", "revive", "settle", "replay", "ask", "take"}),
    "logistics_shipmentexception_change": frozenset({"back", "kept", "take", "resolve"}),
    "payments_payment_change": frozenset({"ask"}),
    "logistics_dispatch_change": frozenset({"again", "move"}),
    "logistics_waybillorder_change": frozenset({"resolve"}),
}
# What a request that waits is about already.
_SPOKEN_FOR = frozenset({"refund", "revive", "settle"})
REQUESTS = ("request_settlement", "request_revival", "request_refund", "refund_under_way", "refund_stuck")


def tag_badge(name: str) -> SafeString:
    """Render a tag that leads to the orders which have it."""
    orders = f"{reverse('admin:orders_order_changelist')}?{urlencode({'tag': name})}"
    return format_html('<a class="os-badge os-plain" href="{}">{}</a>', orders, name)


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence below the first one, with the address of the row that it is about."""

    text: str
    tone: str
    url: str


@dataclass(frozen=True, slots=True)
class NextStep:
    """The sentence of truth with its row and what to do, then what else is true.

    `request_url`: where a request that waits is decided; `causes`: why the order does not move.
    """

    text: str
    tone: str
    url: str
    advice: str
    notes: Sequence[Note]
    request_url: str
    causes: Sequence[str]


def next_step(order: Order, truth: Truth, links: Sequence[Link]) -> NextStep:
    """The box at the top of the order's page."""
    said = _SAID | {"business_checks"} if truth.code.startswith("case_") else _SAID
    said = said | {"notification"} if truth.has("silent", "unstarted") else said
    broken = [link for link in links if link.state == "broken" and link.name not in said]
    causes = [str(link.cause or LINKS.get(link.name, link.name)) for link in broken]
    why_closed = [Note(str(link.cause), "plain", "") for link in links if link.name == "closing"]
    if order.is_waiting_to_close:
        causes.append(_estimate())
    return NextStep(
        text=truth.staff,
        tone="bad" if broken else truth.first.tone,
        url=address(truth.first),
        advice="" if truth.has(*REQUESTS) else truth.first.advice,
        notes=[*(Note(line.staff, line.tone, address(line)) for line in truth.others), *why_closed],
        request_url=next((address(line) for line in truth.lines if line.code in REQUESTS), ""),
        causes=causes,
    )


def _estimate() -> str:
    estimate = closing_estimate()
    words = _("%(orders)d orders wait for an answer, about %(seconds)d s more.")
    return words % {"orders": estimate.waiting, "seconds": estimate.seconds}


def address(line: TruthLine) -> str:
    """Where the row of a line can be read; empty for a line about the state."""
    return badges.address_of(line.url_name, line.url_id)


def answers_to(request: HttpRequest, truth: Truth) -> list[dict[str, Any]]:
    """The buttons that answer the first line: those of its row that this person may press and that fit it now."""
    line = truth.first
    name = line.url_name.removeprefix("admin:")
    wanted = _ANSWERS.get(name, frozenset()) - (_SPOKEN_FOR if truth.has(*REQUESTS) else frozenset())
    for model, page in admin.site._registry.items():
        if name == f"{model._meta.app_label}_{model._meta.model_name}_change" and wanted:
            row = page.get_object(request, str(line.url_id))
            found = page.buttons(request, row) if row else []  # type: ignore[attr-defined]
            return [button for button in found if button["action"].code in wanted]
    return []


def own_buttons(
    buttons: Sequence[dict[str, Any]], answers: Sequence[dict[str, Any]], truth: Truth
) -> list[dict[str, Any]]:
    """The order's own buttons, but for those offered already and those that a waiting request is about."""
    said = {button["action"].code for button in answers}
    if truth.has("request_settlement"):
        said |= _SPOKEN_FOR
    return [button for button in buttons if button["action"].code not in said]
