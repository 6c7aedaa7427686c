"""When a parcel is polled next: after an answer, after a failure, and when no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils import timezone

from logistics.models import Shipment, Subscription
from logistics.tracking.throttle import DAY

# A query that the carrier rejects (unknown company, wrong phone) is repeated after this time only.
AFTER_REFUSAL = timedelta(hours=24)
RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=2)
# A parcel that is pushed is polled so many times less often, until no push has arrived for this time.
PUSHED_LESS, PUSHES_SILENT = 3, timedelta(hours=12)

# Neighbouring keys are scattered evenly (Knuth's multiplicative hash: 2**32 divided by the golden ratio).
_SCATTER, _EPOCH = 2_654_435_769, datetime(1970, 1, 1, tzinfo=UTC)
# Older parcels are polled no more: carriers forget routes after three months, and a case «not signed for» is long open.
POLLED_DAYS = 90


def poll_interval(floor: timedelta) -> timedelta:
    """The time between two polls of a parcel whose carrier answers."""
    return max(timedelta(hours=settings.TRACKING_POLL_HOURS), floor)


def rhythm_of(parcel: Shipment, *, floor: timedelta, important: timedelta | None) -> timedelta:
    """The time between two polls of this parcel: an important buyer's may be polled sooner, never within the floor.

    One that is pushed is polled less, for what a push may have lacked.
    """
    usual = poll_interval(floor)
    rhythm = max(min(important, usual), floor) if important and parcel.is_important else usual
    return rhythm * PUSHED_LESS if is_pushed(parcel) else rhythm


def is_pushed(parcel: Shipment) -> bool:
    """Whether the carrier was asked to push the parcel's events, and does: its last push is recent."""
    pushed = parcel.last_pushed_at
    return (
        parcel.subscription == Subscription.ACTIVE
        and pushed is not None
        and pushed > timezone.now() - PUSHES_SILENT
    )


def after_push(parcel: Shipment, *, goes_on: bool) -> timedelta:
    """The time until a parcel is polled of which the carrier has pushed something now.

    `goes_on`: more pushes are expected.
    """
    usual = timedelta(hours=settings.TRACKING_POLL_HOURS)
    is_less = goes_on and parcel.subscription == Subscription.ACTIVE
    return in_phase(parcel.pk, usual * PUSHED_LESS if is_less else usual)


def is_too_old(parcel: Shipment) -> bool:
    """Whether the parcel left so long ago that it is polled no more."""
    return parcel.shipped_at < timezone.now() - timedelta(days=POLLED_DAYS)


def spread_interval(
    parcel: Shipment, *, floor: timedelta, cap: int | None, important: timedelta | None = None
) -> timedelta:
    """The time until a claimed parcel is polled again, so that the cap of a day lasts for the day.

    Where the clock alone would use it up, a parcel is polled the less often the longer it is under way: three times
    while it gets twice as old. That is three quarters of 48 on its first day, and leaves the rest to people.
    """
    usual, now = rhythm_of(parcel, floor=floor, important=important), timezone.now()
    if cap is not None and usual * cap < DAY:
        usual = max(usual, min((now - parcel.created_at) / 3, DAY / 12))
    return max(usual, parcel.capped_until - now) if parcel.capped_until else usual


def next_interval(
    parcel: Shipment, *, floor: timedelta, cap: int | None, important: timedelta | None = None
) -> timedelta:
    """The time until a claimed parcel is polled again: its rhythm, in its own phase where no cap slows it down."""
    interval = spread_interval(parcel, floor=floor, cap=cap, important=important)
    is_slowed = interval > rhythm_of(parcel, floor=floor, important=important)
    return interval if is_slowed else in_phase(parcel.pk, interval, floor=floor)


def in_phase(
    key: int, interval: timedelta, *, floor: timedelta = timedelta(0), now: datetime | None = None
) -> timedelta:
    """The time until the next moment of this parcel's own, one in each interval: never longer than the interval.

    Parcels that became due together (an import, the end of an outage) are so spread evenly over the interval from
    their next poll on. A moment within the floor or a quarter of the interval is reached in two steps.
    """
    least = max(floor, interval / 4)
    if 2 * least > interval:
        return interval
    share = key * _SCATTER % 2**32 / 2**32
    left = interval - ((now or timezone.now()) - _EPOCH - interval * share) % interval
    return left if left >= least else interval - least + left


def backoff(parcel: Shipment, floor: timedelta) -> timedelta:
    """After a failure of the account: 1, 2, 4 … minutes, at least the minimum interval."""
    return max(floor, min(RETRY * 2 ** min(parcel.check_failures, 10), LONGEST_RETRY))
