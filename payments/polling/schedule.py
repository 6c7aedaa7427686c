"""When a provider is queried again about an attempt."""

from __future__ import annotations

from datetime import datetime, timedelta

from payments.models import Payment

# Asked for again so long after the attempt began, or after its closing was wanted; then every hour.
SCHEDULE = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=60))


def next_question_at(payment: Payment, *, now: datetime) -> datetime:
    """The widening schedule (1, 5, 15, 60 minutes, then hourly), begun anew when closing is wanted.

    Times are UTC. Where closing is wanted, the moment at which «not known» is final is not slept through.
    """
    since = payment.close_wanted_at or payment.created_at
    hours = timedelta(hours=(now - since) // timedelta(hours=1) + 1)
    at = since + next((offset for offset in SCHEDULE if since + offset > now), hours)
    final_at = payment.expires_at + EXPIRY_GRACE
    return min(at, final_at) if payment.close_wanted_at and final_at > now else at


# How long after the provider's own expiry a payment made in its last second may still become visible.
EXPIRY_GRACE = timedelta(minutes=2)
