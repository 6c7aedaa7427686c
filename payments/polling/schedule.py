"""When a provider is queried again about an attempt."""

from __future__ import annotations

from datetime import datetime, timedelta

from payments.models import Payment

# How long after the provider's own expiry a payment made in its last second may still become visible.
EXPIRY_GRACE = timedelta(minutes=2)
# Offsets from the start of the attempt, or from the request to close it; then every hour.
SCHEDULE = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=60))


def next_poll_at(payment: Payment, *, now: datetime) -> datetime:
    """When an attempt is polled next (UTC): after 1, 5, 15 and 60 minutes, then hourly.

    A request to close the attempt starts the schedule again. Then the attempt is also polled at the moment from which
    the answer «not known» is final.
    """
    since = payment.close_wanted_at or payment.created_at
    hours = timedelta(hours=(now - since) // timedelta(hours=1) + 1)
    at = since + next((offset for offset in SCHEDULE if since + offset > now), hours)
    final_at = payment.expires_at + EXPIRY_GRACE
    return min(at, final_at) if payment.close_wanted_at and final_at > now else at
