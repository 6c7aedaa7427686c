"""What warehouses of the push form were sent, for their pages: how each message stands and how its last try ended."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from logistics.labels import problem_label
from logistics.models import (
    Dispatch,
    DispatchWebhook,
    DispatchWebhookAttempt,
    Warehouse,
    WebhookResult,
)
from ordersite.lib.adminkit import badges

LATEST, TRIES = 10, 20
_TONES = {"taken": "good", "waiting": "waiting", "refused": "bad", "given_up": "bad", "dropped": "plain"}
_OUR_WORDS = (WebhookResult.LOST, WebhookResult.NOT_SENT)


def latest_of(warehouse: Warehouse) -> SafeString:
    """The newest messages to a warehouse, with a link to each order."""
    rows = DispatchWebhook.objects.filter(warehouse=warehouse).select_related("order").order_by("-pk")
    return badges.facts(
        (badges.link(row.order.number, "admin:orders_order_change", row.order_id), _state(row))
        for row in rows[:LATEST]
    )


def tries_about(order_id: int, warehouse_id: int) -> SafeString:
    """What a warehouse was sent about an order, each message with its newest tries."""
    return _with_tries(DispatchWebhook.objects.filter(order_id=order_id, warehouse_id=warehouse_id))


def tries_of(dispatch: Dispatch) -> SafeString:
    """What the warehouse was sent about one instruction, each message with its newest tries."""
    return _with_tries(dispatch.webhooks.all())


def _with_tries(rows: QuerySet[DispatchWebhook]) -> SafeString:
    pairs: list[tuple[object, object]] = []
    for row in rows.order_by("pk"):
        pairs.append((row.get_event_display(), _state(row)))
        pairs += [(badges.ago(one.at), _try(one)) for one in _newest(row)]
    return badges.facts((format_html("{}", name), value) for name, value in pairs)


def _newest(row: DispatchWebhook) -> Iterable[DispatchWebhookAttempt]:
    return row.tries.order_by("-pk")[:TRIES]


def _state(row: DispatchWebhook) -> SafeString:
    """The state of a message: what it was, how often it was tried, what came back."""
    parts: list[object] = [row.get_event_display()]
    if row.is_reminder:
        parts.append(_("reminder"))
    parts.append(_("%(number)d attempts") % {"number": row.attempts})
    parts += _answer(row.last_result, row.last_status, row.last_words)
    if row.last_try_at is not None:
        parts.append(badges.ago(row.last_try_at))
    badge = badges.badge(row.get_status_display(), tone=_TONES.get(str(row.status), "plain"))
    return format_html("{} {}", badge, _joined(parts))


def _try(one: DispatchWebhookAttempt) -> SafeString:
    words = _answer(one.result, one.http_status, one.words)
    return _joined([one.get_result_display(), *words, f"{one.duration_ms:,} ms"])


def _answer(result: str, status: int | None, words: str) -> list[str]:
    """The HTTP status, and the warehouse's words or what kept it from answering."""
    shown = [f"HTTP {status}"] if status is not None else []
    if words:
        shown.append(problem_label(words) if result in _OUR_WORDS else words)
    return shown


def _joined(parts: Iterable[object]) -> SafeString:
    return format_html_join(" · ", "{}", ((part,) for part in parts))
