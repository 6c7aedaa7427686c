"""Writes the log of calls to carriers, and lets old rows go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from logistics.carrier_calls.recorder import RecordedCall
from logistics.carriers.interface import Operation
from logistics.models.carrier_call import OK, CarrierCall
from ordersite.database import bulk
from ordersite.database.retention import delete_in_batches
from ordersite.outside_accounts.body_masking import MOST_BODY

# A shop with many parcels makes millions of queries a day; nobody looks for one that went well last week.
KEEP_GOOD_QUERIES = timedelta(days=2)
KEEP = timedelta(days=90)


def store_calls(account_id: int, calls: Sequence[RecordedCall]) -> None:
    """Write a row for each recorded call, in one statement."""
    bulk.insert_rows(CarrierCall, [_row(account_id, call) for call in calls])


def _row(account_id: int, call: RecordedCall) -> CarrierCall:
    recorder = call.recorder
    exchanges = recorder.exchanges
    bodies = exchanges if call.is_first else []
    return CarrierCall(
        account_id=account_id,
        operation=recorder.operation.value,
        at=recorder.at,
        order_id=call.order_id,
        subject=call.subject[:40],
        http_status=exchanges[-1].status if exchanges else None,
        duration_ms=sum(exchange.duration_ms for exchange in exchanges),
        result=call.code or recorder.code,
        detail=(recorder.masked(call.detail) if call.code else recorder.detail)[:200],
        request="\n\n".join(exchange.request for exchange in bodies)[:MOST_BODY],
        response="\n\n".join(exchange.response for exchange in bodies)[:MOST_BODY],
        batch=call.batch,
        is_first=call.is_first,
    )


def forget_old_calls() -> int:
    """Delete queries that went well after KEEP_GOOD_QUERIES, all else after KEEP; returns how many rows."""
    now = timezone.now()
    good = Q(operation=Operation.QUERY.value, result=OK)
    old = (good & Q(at__lt=now - KEEP_GOOD_QUERIES), Q(at__lt=now - KEEP))
    return sum(delete_in_batches(CarrierCall.objects.filter(rows).order_by("at")) for rows in old)
