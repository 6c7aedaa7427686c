"""Sends what waits to warehouses of the push form, by the clock and when woken: several warehouses side by side.

Before each try the order is locked and judged, and that the try goes out is committed: a process that dies leaves a
message that may have been taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from logistics.dispatch.webhooks.call import PostReply, post
from logistics.dispatch.webhooks.judge import Sending, judge
from logistics.dispatch.webhooks.record import record
from logistics.models import DispatchWebhook, Warehouse
from ordersite.outside_accounts.side_by_side import Work, claim_fairly
from ordersite.outside_accounts.throttle import Throttle

SECONDS_A_RUN = 10.0
# Much longer than a call: until it is over, nothing else about its order goes to the warehouse.
LEASE = timedelta(minutes=2)

WAREHOUSES = Throttle(accounts=Warehouse, lease=LEASE)


def push_dispatches(*, seconds: float = SECONDS_A_RUN) -> int:
    """Send what is due for at most about `seconds`; returns the number of tries."""
    work = Work(
        name="warehouses",
        claim=_claim,
        judge=judge,
        call=_call,
        record=_record,
        account_of=_warehouse_of,
    )
    return work.run(seconds=seconds)


def _claim(busy: Counter[int]) -> list[int]:
    due = DispatchWebhook.objects.due(timezone.now())
    return claim_fairly(due, accounts=Warehouse.objects.all(), key="warehouse", busy=busy, lease=LEASE)


def _call(sending: Sending) -> PostReply:
    return post(sending.posting)


def _warehouse_of(sending: Sending) -> int:
    return sending.warehouse_id


def _record(results: Sequence[tuple[Sending, PostReply]]) -> None:
    record(results)
    for warehouse_id in sorted({sending.warehouse_id for sending, _reply in results}):
        outages = [reply.is_outage for sending, reply in results if sending.warehouse_id == warehouse_id]
        WAREHOUSES.record_calls(warehouse_id, outages)
