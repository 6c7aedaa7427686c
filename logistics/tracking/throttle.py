"""The lane to one carrier account: one poller at a time, one question at a time, and a breaker.

All of it stands on rows, so that it holds across processes and machines.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from logistics.accounts import Lane
from logistics.models import CarrierAccount, Shipment

# Longer than the longest single question (20 s at the gateway), so that a live poller is never overtaken.
LEASE = timedelta(seconds=45)
FAILURES_BEFORE_REST = 5
LONGEST_REST = timedelta(minutes=30)
REST_MISCONFIGURED = timedelta(minutes=10)
_REST_UNIT = timedelta(seconds=30)


def take(account: CarrierAccount) -> bool:
    """Take a free lane for LEASE; False when somebody has it or the account rests."""
    now = timezone.now()
    free = Q(lane_leased_until__isnull=True) | Q(lane_leased_until__lt=now)
    awake = Q(resting_until__isnull=True) | Q(resting_until__lte=now)
    return _lease(account, free & awake, now)


def keep(account: CarrierAccount) -> bool:
    """Hold a taken lane for another LEASE; False when it was lost meanwhile."""
    return _lease(account, Q(lane_leased_until=account.lane_leased_until), timezone.now())


def _lease(account: CarrierAccount, condition: Q, now: datetime) -> bool:
    until = now + LEASE
    rows = CarrierAccount.objects.filter(condition, pk=account.pk, is_active=True)
    if rows.update(lane_leased_until=until) != 1:
        return False
    account.lane_leased_until = until
    return True


def leave(account: CarrierAccount) -> None:
    """Give the lane back; harmless when it was lost meanwhile."""
    held = CarrierAccount.objects.filter(pk=account.pk, lane_leased_until=account.lane_leased_until)
    held.update(lane_leased_until=None)
    account.lane_leased_until = None


def note_success(account: CarrierAccount) -> None:
    """Close the breaker."""
    if account.failures_in_a_row:
        account.failures_in_a_row = 0
        CarrierAccount.objects.filter(pk=account.pk).update(failures_in_a_row=0, resting_until=None)


def note_failure(account: CarrierAccount) -> bool:
    """Count a failure; True when the account rests from now on. After each rest one question is tried."""
    account.failures_in_a_row += 1
    beyond = account.failures_in_a_row - FAILURES_BEFORE_REST
    if beyond < 0:
        CarrierAccount.objects.filter(pk=account.pk).update(failures_in_a_row=account.failures_in_a_row)
        return False
    rest(account, min(_REST_UNIT * 2 ** min(beyond, 10), LONGEST_REST))
    return True


def rest(account: CarrierAccount, pause: timedelta) -> None:
    """Nobody asks through this account for a while."""
    CarrierAccount.objects.filter(pk=account.pk).update(
        resting_until=timezone.now() + pause, failures_in_a_row=account.failures_in_a_row
    )


def claim_next(lane: Lane, *, floor: timedelta) -> Shipment | None:
    """Claim the parcel whose turn it is, important customers first; None when none is due.

    The claim counts as the question: whoever dies holding it, the floor is kept.
    """
    # Two look-ups by index instead of one over all that is under way: the due time comes after the tier in it.
    return _claim_due(lane, floor, True) or _claim_due(lane, floor, False)


def _claim_due(lane: Lane, floor: timedelta, is_important: bool) -> Shipment | None:
    now = timezone.now()
    sql = (
        " AND merchant_id = %s AND is_important = %s AND next_check_at <= %s "
        f"AND carrier IN ({', '.join(['%s'] * len(lane.carriers))}) ORDER BY next_check_at"
    )
    params = [lane.account.merchant_id, is_important, _stored(now), *lane.carriers]
    return _claim(sql, params, now=now, floor=floor)


def claim_this(shipment: Shipment, *, floor: timedelta) -> Shipment | None:
    """Claim this parcel, due or not; None within the floor or while another asks for it."""
    return _claim(
        " AND id = %s AND next_check_at IS NOT NULL", [shipment.pk], now=timezone.now(), floor=floor
    )


def _claim(condition: str, params: list[Any], *, now: datetime, floor: timedelta) -> Shipment | None:
    table = connection.ops.quote_name(Shipment._meta.db_table)
    skip = " FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    # Materialized: as a plain subquery PostgreSQL may run it again for every row, and claim more than one.
    sql = (
        f"WITH picked AS MATERIALIZED (SELECT id FROM {table} WHERE (leased_until IS NULL OR leased_until < %s) "  # noqa: S608
        f"AND (last_asked_at IS NULL OR last_asked_at <= %s){condition} LIMIT 1{skip}) "
        f"UPDATE {table} SET leased_until = %s, last_asked_at = %s, checks = checks + 1 "
        "WHERE id IN (SELECT id FROM picked) RETURNING id"
    )
    picking, writing = [_stored(now), _stored(now - floor)], [_stored(now + LEASE), _stored(now)]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*picking, *params, *writing])
        found = cursor.fetchone()
    return Shipment.objects.select_related("order").get(pk=found[0]) if found else None


def _stored(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)
