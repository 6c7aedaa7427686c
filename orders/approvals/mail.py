"""Sends queued mail to the mail server, row by row, with no transaction open meanwhile.

A mail that the server took, but whose row could not be marked (the process died, the database was gone, the server was
slower than the lease), comes a second time: better twice than never.
"""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice

from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from orders.approvals.kinds import kind_of_event
from orders.models import StaffMail
from ordersite.database import bulk
from ordersite.health.alerts import raise_alert
from ordersite.health.models import Alert
from ordersite.lib.tracebacks import brief
from ordersite.queue import claims, wakeups

TASK = "payments.send_staff_mail"
# A mail has a dozen steps of EMAIL_TIMEOUT each.
LEASE = timedelta(minutes=2)
# 1, 2, 4, 8, then every 16 minutes.
RETRY, _MOST_DOUBLINGS = timedelta(minutes=1), 4
# The desk shows what waits; a mail of the day before yesterday helps nobody.
GIVE_UP_AFTER = timedelta(days=1)
KEPT = timedelta(days=7)
# Mail servers end a connection that brings too many.
MOST_IN_A_RUN = 50
_BATCH = 1000
# Trouble of one mail or mailbox; anything else that the server answers would meet the next mail too.
_OF_ONE_MAIL = (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError, smtplib.SMTPNotSupportedError)

logger = logging.getLogger(__name__)


class NoServer(Exception):
    """The mail server cannot be reached or does not want us: no other mail would fare better now."""


class Line:
    """One connection to the mail server, opened for the first mail."""

    def __init__(self) -> None:
        self._server: BaseEmailBackend | None = None

    def send(self, mail: StaffMail) -> None:
        """Returns once the server has taken it. Raises `NoServer`; all else is the trouble of this one mail."""
        message = EmailMessage(subject=mail.subject, body=mail.body, to=[mail.address])
        try:
            self._opened().send_messages([message])
        except _OF_ONE_MAIL:
            raise
        except (OSError, ImproperlyConfigured) as error:  # SMTPException is an OSError
            raise NoServer(brief(error)) from error

    def _opened(self) -> BaseEmailBackend:
        if self._server is None:
            self._server = get_connection()
            self._server.open()
        return self._server

    def close(self) -> None:
        try:
            if self._server is not None:
                self._server.close()
        except OSError as error:
            logger.info("the mail server did not take our leave: %s", error.__class__.__name__)


def queue(mails: Iterable[StaffMail]) -> None:
    """Write rows; those for the same event and address stand already. Call inside a transaction."""
    rows = sorted(mails, key=lambda mail: (mail.event, mail.subject_id, mail.address))
    if rows:
        bulk.insert_rows(StaffMail, rows, ignore_conflicts=True)
        transaction.on_commit(lambda: wakeups.wake(TASK))


def send_staff_mail() -> int:
    """Hand over what is due, at most MOST_IN_A_RUN mails; returns how many the server took.

    Call outside of transactions. A server that fails is tried once, and all that is due waits then.
    """
    line, sent = Line(), 0
    try:
        for [claimed] in islice(claims.walk(StaffMail, size=1), MOST_IN_A_RUN):
            try:
                sent += _deal_with(claimed, line)
            except NoServer as failed:
                _put_off_all(claimed, str(failed))
                break
    finally:
        line.close()
    _forget()
    return sent


def _deal_with(claimed: claims.Claim, line: Line) -> bool:
    """Whether it was handed over. Raises `NoServer`."""
    mine, now = _mine(claimed), timezone.now()
    mine.update(leased_until=now + LEASE)
    mail = mine.first()
    if mail is None:
        return False  # another worker has taken it over
    if not _is_wanted(mail, now - GIVE_UP_AFTER):
        mine.update(done_at=now, leased_until=None)
        return False
    try:
        line.send(mail)
    except NoServer:
        raise
    except Exception as error:  # the edge: kept on its row
        logger.warning("a mail to staff was not taken: %s", error.__class__.__name__, extra={"row": mail.pk})
        _put_off(mine, claimed.attempts, brief(error))
        return False
    now = timezone.now()
    mine.update(sent_at=now, done_at=now, leased_until=None, last_error="")
    return True


def _mine(claimed: claims.Claim) -> QuerySet[StaffMail]:
    """The claimed row, while nobody else has claimed it."""
    return StaffMail.objects.filter(pk=claimed.id, attempts=claimed.attempts, done_at__isnull=True)


def _is_wanted(mail: StaffMail, since: datetime) -> bool:
    if mail.attempts > 1 and mail.created_at < since:
        raise_alert(Alert.Kind.MAIL_GIVEN_UP, mail.event, f"#{mail.pk}: {mail.last_error}")
        return False
    kind = kind_of_event(mail.event)
    if kind is None:
        return True  # written by a newer version of us
    return bool(kind.waiting().filter(pk=mail.subject_id).exists())


def _put_off(rows: QuerySet[StaffMail], attempts: int, why: str) -> None:
    due_at = timezone.now() + RETRY * 2 ** min(attempts - 1, _MOST_DOUBLINGS)
    rows.update(due_at=due_at, leased_until=None, last_error=why[:500])


def _put_off_all(claimed: claims.Claim, why: str) -> None:
    """One failure of the server is the failure of all that is due, so that it is not tried for each."""
    logger.warning("mail to staff waits: %s", why)
    _put_off(_mine(claimed), claimed.attempts, why)
    unclaimed = Q(leased_until__isnull=True) | Q(leased_until__lt=timezone.now())
    with transaction.atomic():
        rows = _locked(claims.depth(StaffMail).filter(unclaimed))
        _put_off(rows, claimed.attempts, why)
        rows.update(attempts=F("attempts") + 1)


def _forget() -> None:
    old = StaffMail.objects.filter(done_at__lt=timezone.now() - KEPT)
    if old.exists():
        with transaction.atomic():
            _locked(old).delete()


def _locked(rows: QuerySet[StaffMail]) -> QuerySet[StaffMail]:
    """Up to a batch of them, without those that somebody else is writing."""
    ids = rows.order_by("pk").select_for_update(skip_locked=True).values_list("pk", flat=True)
    return StaffMail.objects.filter(pk__in=list(ids[:_BATCH]))
