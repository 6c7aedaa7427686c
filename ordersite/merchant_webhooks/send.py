"""Sends what waits to endpoints, by the clock and when woken: several endpoints side by side, each order in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from ordersite.merchant_webhooks.call import EventReply, call
from ordersite.merchant_webhooks.catalogue import OF_ORDERS, handler_key
from ordersite.merchant_webhooks.judge import EventSending, judge
from ordersite.merchant_webhooks.models import WebhookDelivery, WebhookEndpoint
from ordersite.merchant_webhooks.pause import hasten
from ordersite.merchant_webhooks.record import record
from ordersite.outside_accounts.side_by_side import Work, claim_fairly
from ordersite.outside_accounts.throttle import Throttle

SECONDS_A_RUN = 10.0
# Much longer than a call: until it is over, nothing else about its order goes to the endpoint.
LEASE = timedelta(minutes=2)

ENDPOINTS = Throttle(accounts=WebhookEndpoint, lease=LEASE)
_HANDLERS = tuple(handler_key(flow) for flow in OF_ORDERS)


def send_webhooks(*, seconds: float = SECONDS_A_RUN) -> int:
    """Send what is due for at most about `seconds`; returns the number of tries."""
    work = Work(
        name="webhooks", claim=_claim, judge=judge, call=call, record=_record, account_of=_endpoint_of
    )
    return work.run(seconds=seconds)


def _claim(busy: Counter[int]) -> list[int]:
    due = WebhookDelivery.objects.due(timezone.now(), event_names=OF_ORDERS, handlers=_HANDLERS)
    endpoints = WebhookEndpoint.objects.filter(is_active=True)
    return claim_fairly(due, accounts=endpoints, key="endpoint", busy=busy, lease=LEASE)


def _endpoint_of(sending: EventSending) -> int:
    return sending.endpoint_id


def _record(results: Sequence[tuple[EventSending, EventReply]]) -> None:
    for endpoint_id in record(results):
        hasten(endpoint_id)
    called = [(sending, reply) for sending, reply in results if not reply.is_unsent]
    for endpoint_id in sorted({sending.endpoint_id for sending, _reply in called}):
        outages = [reply.is_outage for sending, reply in called if sending.endpoint_id == endpoint_id]
        ENDPOINTS.record_calls(endpoint_id, outages)
