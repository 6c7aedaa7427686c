"""Notifies the people who may approve a request: by e-mail, with subject and amount only, and on the home page.

Nothing is sent here: handlers run inside the relay's transaction, so they write rows, and `orders.approvals.mail` sends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser, User
from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import gettext as _

from orders.approvals import mail as staff_mail
from orders.approvals.kinds import ApprovalKind
from orders.models import StaffMail
from ordersite.queue.relay import Answer, Delivered


def people_with(permission: str) -> list[User]:
    """Active people with this right and an e-mail address."""
    allowed = User.objects.with_perm(permission, backend="django.contrib.auth.backends.ModelBackend")
    return list(allowed.exclude(email="").order_by("pk"))


def waiting_for(kind: ApprovalKind[Any], user: AbstractUser) -> QuerySet[Any]:
    """Return the waiting requests that this person may decide about: all but their own."""
    return kind.waiting().exclude(proposer_id=user.pk)


def mail_approvers(kind: ApprovalKind[Any], events: Sequence[Delivered]) -> Sequence[Answer]:
    """Queue a mail to each approver but the proposer, about the requests that still wait."""
    rows = kind.rows().filter(pk__in=[event.subject_id for event in events])
    waiting = {row.pk: row for row in rows if row.is_waiting}
    people = people_with(kind.may_approve) if waiting else []
    staff_mail.queue(
        mail
        for event in events
        if (request := waiting.get(event.subject_id))
        for mail in _mails(kind, event, request, people)
    )
    return [None] * len(events)


def _mails(
    kind: ApprovalKind[Any], event: Delivered, request: Any, people: Sequence[User]
) -> Iterator[StaffMail]:
    subject, body = _text(kind, request)
    for user in people:
        if user.pk != request.proposer_id:
            yield StaffMail(
                event=event.name,
                subject_id=event.subject_id,
                address=user.email,
                subject=subject,
                body=body,
            )


def _text(kind: ApprovalKind[Any], request: Any) -> tuple[str, str]:
    """Return subject and body in the language of the installation, since a mail has no reader's session."""
    with translation.override(settings.LANGUAGE_CODE):
        values = {
            "kind": request._meta.verbose_name,
            "subject": kind.summary(request),
            "url": settings.PUBLIC_BASE_URL + kind.page_of(request),
        }
        return (
            _("To review: %(kind)s, %(subject)s") % values,
            _("A %(kind)s (%(subject)s) waits for your review:\n%(url)s\n") % values,
        )
