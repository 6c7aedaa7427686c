"""Closes alerts that are healed, and mails operations about the others: one mail for each kind and hour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from orders.approvals.mail import queue
from orders.approvals.notify import Addressee, addressees
from orders.models import StaffMail
from orders.monitoring import figures
from ordersite.health import alerts
from ordersite.health.heartbeat import missing_processes, standing_still
from ordersite.health.models import Alert
from ordersite.queue.models import Delivery

MAILED = "health.change_alert"
# Lines of one mail; the page has all.
MOST_LINES = 20
_HOUR = 3600
_REPEATED = timedelta(minutes=1)


def tend_alerts() -> None:
    """Close what is healed, queue mail about what is not, and forget what is old. Runs by the clock."""
    parked = Delivery.objects.filter(parked_at__isnull=False).order_by().values_list("handler", flat=True)
    alerts.heal_others(Alert.Kind.DELIVERY_PARKED, set(parked.distinct()))
    _watch_the_clock(timezone.now())
    mail_operations(timezone.now())
    alerts.forget_old()


def _watch_the_clock(now: datetime) -> None:
    """Raise an alert for each task and kind of process that stands still, once a minute at most while it does."""
    late = [*standing_still(now), *missing_processes(now)]
    alerts.heal_others(Alert.Kind.STANDSTILL, {one.task for one in late})
    known = Alert.objects.filter(
        kind=Alert.Kind.STANDSTILL, closed_at__isnull=True, last_at__gt=now - _REPEATED
    )
    fresh = set(known.values_list("subject", flat=True))
    for one in late:
        if one.task not in fresh:
            text = f"last good end: {one.since:%Y-%m-%d %H:%M:%S %Z}" if one.since else "never ended well"
            alerts.raise_alert(Alert.Kind.STANDSTILL, one.task, text)


def mail_operations(now: datetime) -> int:
    """Queue a mail for each kind with something new that had none in this hour; return how many kinds."""
    unmailed = Q(mailed_at__isnull=True) | Q(last_at__gt=F("mailed_at"))
    new = list(Alert.objects.filter(unmailed, closed_at__isnull=True).order_by("kind", "-last_at"))
    if not new:
        return 0
    people, hour, done = addressees(MAILED), int(now.timestamp()) // _HOUR, 0
    for kind, group in groupby(new, key=lambda alert: alert.kind):
        if not StaffMail.objects.filter(event=_event(kind), subject_id=hour).exists():
            done += _mail(kind, list(group), people, now)
    return done


def _mail(kind: str, found: Sequence[Alert], people: Sequence[Addressee], now: datetime) -> int:
    with transaction.atomic():
        queue(_mails(kind, found, people, int(now.timestamp()) // _HOUR))
        Alert.objects.filter(pk__in=[alert.pk for alert in found]).update(mailed_at=now)
    return 1


def _mails(kind: str, found: Sequence[Alert], people: Sequence[Addressee], hour: int) -> Iterator[StaffMail]:
    texts = {language: _text(kind, found, language) for language in {one.language for one in people}}
    for person in people:
        subject, body = texts[person.language]
        yield StaffMail(
            event=_event(kind), subject_id=hour, address=person.address, subject=subject, body=body
        )


def _event(kind: str) -> str:
    return f"alert.{kind}"


def _text(kind: str, found: Sequence[Alert], language: str) -> tuple[str, str]:
    with translation.override(language):
        label = dict(Alert.Kind.choices).get(kind, kind)
        lines = [
            f"{alert.subject} · ×{alert.count} · {timezone.localtime(alert.last_at):%Y-%m-%d %H:%M:%S}\n{_evidence(alert)}"
            for alert in found[:MOST_LINES]
        ]
        if len(found) > MOST_LINES:
            lines.append(_("and %(more)s more") % {"more": len(found) - MOST_LINES})
        lines.append(f"{settings.PUBLIC_BASE_URL}/admin/health/alert/")
        return f"ordersite: {label}", "\n\n".join(lines)


def _evidence(alert: Alert) -> str:
    """What it has seen, and the page with the orders of an alert that is about orders."""
    address = figures.address_of(alert)
    link = [f"{settings.PUBLIC_BASE_URL}{address}"] if address else []
    return "\n".join([figures.sentence_of(alert), *link])
