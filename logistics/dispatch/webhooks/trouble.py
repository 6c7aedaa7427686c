"""The cases of messages that warehouses do not take. The callers hold the locks of the orders and the messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from logistics import cases
from logistics.models import DispatchWebhook, ShipmentException, WebhookEvent, WebhookResult

Kind = ShipmentException.Kind
_OUR_WORDS = (WebhookResult.LOST, WebhookResult.NOT_SENT)


def detail_of(webhook: DispatchWebhook) -> Mapping[str, object]:
    """What a case keeps of the tries: how many, and how the last one ended."""
    detail: dict[str, object] = {"attempts": webhook.attempts}
    if webhook.last_status is not None:
        detail["http_status"] = webhook.last_status
    if webhook.last_words:
        detail["problem" if webhook.last_result in _OUR_WORDS else "message"] = webhook.last_words
    return detail


def open_given_up(webhooks: Sequence[DispatchWebhook], now: datetime) -> None:
    """Open the cases of messages that are sent no more."""
    created = [one for one in webhooks if one.event == WebhookEvent.CREATED]
    cases.open_goods_cases([_case(Kind.DISPATCH_UNANSWERED, one) for one in created])
    open_cancel_cases([one for one in webhooks if one.event == WebhookEvent.CANCELLED], now)


def open_cancel_cases(webhooks: Sequence[DispatchWebhook], now: datetime) -> None:
    """Open the cases of cancellations that may not be known, once for each; the caller writes the messages."""
    fresh = [one for one in webhooks if one.reported_at is None]
    for one in fresh:
        one.reported_at = now
    cases.open_goods_cases([_case(Kind.CANCEL_UNANSWERED, one) for one in fresh])


def resolve_cancel_cases(webhooks: Sequence[DispatchWebhook]) -> None:
    """Resolve the cases of cancellations that have been taken, or need not be known any more."""
    places = {(one.order_id, one.warehouse_id) for one in webhooks if one.reported_at is not None}
    note = "the warehouse knows of the cancellation"
    cases.resolve_warehouse_cases(Kind.CANCEL_UNANSWERED, places, note=note)


def _case(kind: str, webhook: DispatchWebhook) -> cases.GoodsCase:
    return cases.GoodsCase(
        kind=kind,
        order_id=webhook.order_id,
        warehouse_id=webhook.warehouse_id,
        detail=detail_of(webhook),
    )
