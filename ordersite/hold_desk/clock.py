"""What the clock does for reviews: they end with their order, come back with it, and are escalated when nobody looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orders.approvals.mail import queue
from orders.approvals.notify import addressees
from orders.models import HoldReview, StaffMail
from orders.risk import marks, reviews
from ordersite.health.alerts import heal_alert, raise_alert
from ordersite.health.models import Alert
from ordersite.hold_desk.decide import MAY_DECIDE

EVENT, SUBJECT = "hold_reviews.escalated", "hold_reviews"
_MAILED_EVERY = timedelta(hours=1)
_BATCH = 500


def tend_reviews() -> None:
    """Bring the reviews in line with their orders, escalate those that wait too long, and forget old marks."""
    reviews.end_of_ended_orders()
    reviews.reopen_forgotten()
    escalate(timezone.now())
    marks.forget_old()


def escalate(now: datetime) -> int:
    """Mark the reviews that nobody has decided in time, and say so by an alert and by mail; returns how many are new.

    At most one mail an hour to each supervisor: it leads to the desk, where all of them stand. `now` is UTC.
    """
    late = HoldReview.objects.opened_before(now - timedelta(hours=settings.HOLD_REVIEW_HOURS))
    waiting = late.count()
    if not waiting:
        heal_alert(Alert.Kind.REVIEWS_WAIT, SUBJECT)
        return 0
    with transaction.atomic():
        mailed = HoldReview.objects.open().filter(escalated_at__gt=now - _MAILED_EVERY).exists()
        rows = late.filter(escalated_at__isnull=True).order_by("pk")
        if connection.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True, no_key=True, of=("self",))
        fresh = list(rows.values_list("pk", flat=True)[:_BATCH])
        HoldReview.objects.filter(pk__in=fresh).update(escalated_at=now)
        if fresh and not mailed:
            queue(_mails(fresh[0], waiting))
    if fresh:
        raise_alert(
            Alert.Kind.REVIEWS_WAIT, SUBJECT, f"{waiting} wait, longer than {settings.HOLD_REVIEW_HOURS:g} h"
        )
    return len(fresh)


def _mails(first: int, waiting: int) -> Iterator[StaffMail]:
    people = addressees(MAY_DECIDE)
    texts = {language: _text(waiting, language) for language in {one.language for one in people}}
    for person in people:
        subject, body = texts[person.language]
        yield StaffMail(event=EVENT, subject_id=first, address=person.address, subject=subject, body=body)


def _text(waiting: int, language: str) -> Sequence[str]:
    """Subject and body: how many wait, how long, and where."""
    with translation.override(language):
        values = {
            "number": waiting,
            "hours": f"{settings.HOLD_REVIEW_HOURS:g}",
            "url": settings.PUBLIC_BASE_URL + reverse("admin:orders_holdreview_changelist"),
        }
        subject = ngettext(
            "%(number)s held order waits for review", "%(number)s held orders wait for review", waiting
        )
        body = _(
            "Nobody has decided for more than %(hours)s hours; the orders do not ship until then:\n%(url)s\n"
        )
        return subject % values, body % values
