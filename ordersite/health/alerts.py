"""Raises and closes alerts. Any room may call it; who gets mail is decided in `ordersite.health.alert_mail`."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import DatabaseError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from ordersite.health.models import Alert

KEPT = timedelta(days=90)
_SUBJECT, _TEXT = 200, 1000

logger = logging.getLogger(__name__)


def raise_alert(kind: Alert.Kind, subject: str, text: str) -> None:
    """Open an alert, or count it again where one of this kind about this subject is open.

    Never raises for trouble of the database, which is logged: what went wrong stands in the log anyhow, and the caller has
    worse to do. In a transaction it holds only if that is committed.
    """
    logger.error("alert %s: %s", kind, text, extra={"subject": subject})
    subject, text, now = subject[:_SUBJECT], text[:_TEXT], timezone.now()
    try:
        with transaction.atomic():
            again = Alert.objects.filter(kind=kind, subject=subject, closed_at__isnull=True)
            if not again.update(count=F("count") + 1, last_at=now, text=text):
                new = Alert(kind=kind, subject=subject, text=text, opened_at=now, last_at=now)
                Alert.objects.bulk_create([new], ignore_conflicts=True)
    except DatabaseError as error:
        logger.warning("an alert could not be kept: %s", error.__class__.__name__)


def heal_alert(kind: Alert.Kind, subject: str) -> bool:
    """Close the open alert of this kind about this subject; return whether there was one."""
    return bool(_open(kind).filter(subject=subject[:_SUBJECT]).update(closed_at=timezone.now()))


def heal_others(kind: Alert.Kind, still: set[str]) -> int:
    """Close the open alerts of this kind about anything but `still`; return how many."""
    return _open(kind).exclude(subject__in=still).update(closed_at=timezone.now())


def forget_old() -> None:
    """Delete alerts that were closed KEPT ago."""
    Alert.objects.filter(closed_at__lt=timezone.now() - KEPT).delete()


def _open(kind: Alert.Kind) -> QuerySet[Alert]:
    return Alert.objects.filter(kind=kind, closed_at__isnull=True)
