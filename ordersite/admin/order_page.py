"""Composes the order page from the `about` modules of the three apps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from logistics import about as logistics_about
from logistics.dispatch.instructions.by_hand import MANAGE
from logistics.labels import carrier_name
from orders import about as orders_about
from orders import phone_search
from orders.labels import TRIGGERS, reason_label
from orders.models import HistorySeal, HoldReview, Order, OrderEvent, OrderStatus
from orders.truth.sentence import truth_of
from ordersite.admin.order_labels import STATUS_TONES, answers_to, next_step
from ordersite.automation.tags import tags_of
from ordersite.diagnosis.diagnose import diagnose
from ordersite.diagnosis.labels import chain_of
from ordersite.diagnosis.rooms import ROOMS
from ordersite.lib.adminkit import badges
from ordersite.lib.panels import Entry, Item, Panel
from ordersite.messaging import about as messaging_about
from ordersite.messaging.resend import RIGHT as RESEND
from payments import about as payments_about

TOPICS: tuple[tuple[str, str | Promise], ...] = (
    ("all", _("all of it")),
    ("order", _("order")),
    ("payment", _("payments")),
    ("parcel", _("parcels")),
    ("people", _("people")),
    ("message", _("messages")),
)


# Labels of the kinds of evidence; the id follows the label.
EVIDENCE: dict[str, Promise] = {
    "notification": _("payment notification"),
    "query": _("provider's answer on"),
    "waybill": _("waybill"),
    "tracking": _("route of"),
    "idempotency_key": _("Idempotency-Key"),
    "request": _("Idempotency-Key"),
    "settlement_request": _("settlement request"),
    "revival_request": _("revival request"),
    "payment_exception": _("payment exception"),
    "refund_request": _("refund request"),
    "dispatch": _("dispatch instruction"),
    "hold_review": _("review of a held order"),
    "statement_line": _("statement line"),
    "rule_run": _("run of a rule"),
    "release_request": _("release request"),
}


# Admin pages of evidence that is a row: the evidence's id is the primary key.
EVIDENCE_PAGES: dict[str, str] = {
    "notification": "payments_paymentnotification_change",
    "settlement_request": "payments_settlementrequest_change",
    "revival_request": "payments_revivalrequest_change",
    "payment_exception": "payments_paymentexception_change",
    "statement_line": "payments_statementline_change",
    "dispatch": "logistics_dispatch_change",
    "hold_review": "orders_holdreview_change",
    "rule_run": "automation_rulerun_change",
    "release_request": "automation_releaserequest_change",
}


@dataclass(frozen=True, slots=True)
class RowAction:
    """An action of a panel's row: its confirmation page, or the action itself where it is harmless."""

    label: str | Promise
    url: str
    is_harmless: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """An action offered beside a panel's row if the person has the right and the row has one of these tones."""

    view: str
    code: str
    label: str | Promise
    permission: str
    tones: frozenset[str] = frozenset({"waiting", "moving", "bad", "plain"})
    is_harmless: bool = False


# By the page of the row.
OFFERS: dict[str, tuple[Offer, ...]] = {
    "payments_payment_change": (
        Offer(
            "payments_payment_do",
            "ask",
            _("Query the provider"),
            "payments.replay_paymentnotification",
            frozenset({"waiting", "plain"}),
            is_harmless=True,
        ),
        Offer("payments_payment_do", "refund", _("Refund"), "payments.request_refund", frozenset({"good"})),
    ),
    "logistics_dispatch_change": (
        Offer(
            "logistics_dispatch_do",
            "again",
            _("Route again"),
            MANAGE,
            frozenset({"waiting", "moving", "bad"}),
        ),
        Offer(
            "logistics_dispatch_do",
            "move",
            _("Another warehouse"),
            MANAGE,
            frozenset({"waiting", "moving", "bad"}),
        ),
    ),
    "messaging_buyermessage_change": (
        Offer(
            "messaging_buyermessage_do",
            "resend",
            _("Send again"),
            RESEND,
            frozenset({"good", "bad", "plain"}),
        ),
    ),
    "logistics_shipment_change": (
        Offer(
            "logistics_shipment_do",
            "refresh",
            _("Refresh"),
            "logistics.resolve_shipmentexception",
            is_harmless=True,
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Row:
    item: Item
    url: str
    actions: Sequence[RowAction]
    log_url: str = ""


def find(term: str, user: AbstractBaseUser | AnonymousUser) -> list[int]:
    """Find the ids of orders by a search term. The first app that knows the term decides.

    Raises `DomainError` too_many_phone_searches.
    """
    if found := phone_search.find(term, user):
        return found
    return next((found for room in ROOMS if room is not orders_about and (found := room.find(term))), [])


def compose(request: HttpRequest, order: Order) -> dict[str, Any]:
    """Build the template's context with a fixed number of queries."""
    diagnosis = diagnose(order, request.user)
    truth, entries = truth_of(order), timeline(order)
    topics = {entry.topic for entry, _words, _url in entries}
    return {
        "order": order,
        "status_label": OrderStatus(order.status).label,
        "status_tone": STATUS_TONES[order.status],
        "hold_reason": reason_label(order.hold_reason),
        "tags": tags_of([order.pk])[order.pk],
        "review": HoldReview.objects.open().filter(order_id=order.pk).first(),
        "may_review": request.user.has_perm("orders.view_holdreview"),
        "truth": truth,
        "next_step": next_step(order, truth, diagnosis.links),
        "diagnosis": diagnosis,
        "chain": chain_of(diagnosis.links),
        "answers": answers_to(request, truth),
        "topics": [(code, name) for code, name in TOPICS if code == "all" or code in topics],
        "timeline": entries,
        "panels": [_panel(request, panel) for panel in _panels(order) if panel],
        "lines": list(order.lines.all()),
        **history(order),
    }


def _panels(order: Order) -> list[Panel | None]:
    return [
        payments_about.panel(order),
        logistics_about.dispatch_panel(order),
        logistics_about.panel(order),
        messaging_about.panel(order),
    ]


def _timeline(order: Order) -> dict[str, Any]:
    """The entries, and a choice for each topic that has any: one that shows nothing would look like a fault."""
    entries = timeline(order)
    there = {"all", *(entry.topic for entry, _words, _url in entries)}
    return {"timeline": entries, "topics": [(code, label) for code, label in TOPICS if code in there]}


def timeline(order: Order) -> list[tuple[Entry, str, str]]:
    """Return the timeline, newest first, each entry with the label and address of its evidence."""
    entries = sorted(
        (entry for room in (*ROOMS, messaging_about) for entry in room.timeline(order)),
        key=lambda entry: entry.at,
        reverse=True,
    )
    return [(entry, *proof(entry)) for entry in entries]


def proof(entry: Entry) -> tuple[str, str]:
    """Return the label and the address of an entry's evidence."""
    kind, _blank, name = entry.evidence.partition(" ")
    label = _evidence_label(kind, name) if kind in EVIDENCE else entry.evidence
    if kind in EVIDENCE_PAGES and name.isdigit():
        return f"{EVIDENCE[kind]} #{name}", badges.address_of(EVIDENCE_PAGES[kind], int(name))
    return label, badges.address_of(entry.url_name, entry.url_id)


def _panel(request: HttpRequest, panel: Panel) -> dict[str, Any]:
    return {"title": panel.title, "empty": panel.empty, "rows": [_row(request, item) for item in panel.items]}


def _row(request: HttpRequest, item: Item) -> Row:
    offers = OFFERS.get(item.url_name.removeprefix("admin:"), ()) if item.url_id is not None else ()
    actions = [
        RowAction(
            offer.label, reverse(f"admin:{offer.view}", args=[item.url_id, offer.code]), offer.is_harmless
        )
        for offer in offers
        if item.tone in offer.tones and request.user.has_perm(offer.permission)
    ]
    return Row(item, badges.address_of(item.url_name, item.url_id), actions, _log_url(request, item))


def _log_url(request: HttpRequest, item: Item) -> str:
    """The list of all log rows about an item; empty for those who may not see it."""
    if item.log is None:
        return ""
    app, _dot, model = item.log.model.partition(".")
    if not request.user.has_perm(f"{app}.view_{model}"):
        return ""
    return f"{reverse(f'admin:{app}_{model}_changelist')}?{urlencode({'q': item.log.search})}"


def history(order: Order) -> dict[str, Any]:
    """Return the history lines for the template, and whether a seal covers the last one."""
    lines = list(OrderEvent.objects.filter(order_id=order.pk).order_by("seq"))
    actors = orders_about.actor_labels(lines)
    newest = HistorySeal.objects.order_by("-first_id").values_list("last_id", flat=True)
    sealed_to = newest.first() or 0
    shown = [
        {
            "line": line,
            "change": _change(line),
            "trigger": TRIGGERS.get(line.trigger, line.trigger),
            "actor": actors[line.seq],
            "evidence": _evidence(line.evidence),
            "is_sealed": line.pk <= sealed_to,
        }
        for line, actor in zip(lines, orders_about.actor_labels(lines), strict=True)
    ]
    return {"history": shown, "is_sealed": bool(shown) and shown[-1]["is_sealed"]}


def _change(line: OrderEvent) -> str:
    labels = {value: str(label) for value, label in OrderStatus.choices}
    shown = [labels.get(status, status) for status in (line.from_status, line.to_status) if status]
    return " → ".join(shown) or line.get_kind_display()


def _evidence(text: str) -> str:
    if not text:
        return ""
    parts = json.loads(text)
    return _evidence_label(parts["kind"], parts["id"])


def _evidence_label(kind: str, name: str) -> str:
    if kind in ("waybill", "tracking"):
        carrier, _blank, number = name.partition(" ")
        name = f"{carrier_name(carrier)} {number}"
    return f"{EVIDENCE.get(kind, kind)} {name}".strip()
