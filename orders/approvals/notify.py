"""Notifies the people who may approve a request: by e-mail, with subject and amount only, and on the home page.

Nothing is sent here: handlers run inside the relay's transaction, so they write rows, and `orders.approvals.mail` sends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser, User
from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from orders.approvals import mail as staff_mail
from orders.approvals.kinds import ApprovalKind
from orders.models import StaffMail
from ordersite.queue.relay import Answer, Delivered


def people_with(permission: str) -> QuerySet[User]:
    """Return the active people with this right."""
    allowed = User.objects.with_perm(permission, backend="django.contrib.auth.backends.ModelBackend")
    return allowed.order_by("username")


def approvers_of(kind: ApprovalKind[Any], proposer_id: int | None) -> QuerySet[User]:
    """Return the members of staff who may decide about a request of this person: never the proposer."""
    people = people_with(kind.may_approve).filter(is_staff=True)
    return people if proposer_id is None else people.exclude(pk=proposer_id)


def names_of(people: QuerySet[User], *, most: int = 5) -> str:
    """Join their names; of many the first, and how many more there are. Empty for nobody."""
    names = [one.get_full_name() or one.get_username() for one in people[: most + 1]]
    if len(names) <= most:
        return pgettext("between two names", ", ").join(names)
    shown = pgettext("between two names", ", ").join(names[:most])
    return _("%(names)s and %(more)s more") % {"names": shown, "more": people.count() - most}


def waiting_for(kind: ApprovalKind[Any], user: AbstractUser) -> QuerySet[Any]:
    """Return the waiting requests that this person may decide about: all but their own."""
    return kind.waiting().exclude(**{f"{kind.proposer_column}_id": user.pk})


def waiting_of(kind: ApprovalKind[Any], user: AbstractUser) -> QuerySet[Any]:
    """Return this person's own requests that wait for a colleague."""
    return kind.waiting().filter(**{f"{kind.proposer_column}_id": user.pk})


def mail_approvers(kind: ApprovalKind[Any], events: Sequence[Delivered]) -> Sequence[Answer]:
    """Queue a mail to each approver but the proposer, about the requests that still wait."""
    still_waiting = kind.waiting().filter(pk__in=[event.subject_id for event in events])
    waiting = {row.pk: row for row in kind.rows().filter(pk__in=still_waiting.values("pk"))}
    people = addressees(kind.may_approve) if waiting else []
    staff_mail.queue(
        mail
        for event in events
        if (request := waiting.get(event.subject_id))
        for mail in _mails(kind, event, request, people)
    )
    return [None] * len(events)


@dataclass(frozen=True, slots=True)
class Addressee:
    """A person who gets mail, in the language that they chose last in the back office, else the installation's."""

    pk: int
    address: str
    language: str


def addressees(permission: str) -> list[Addressee]:
    """Return those of `people_with` who have an address. One query."""
    people = people_with(permission).exclude(email="").order_by("pk")
    known = dict(settings.LANGUAGES)
    return [
        Addressee(pk, address, language if language in known else settings.LANGUAGE_CODE)
        for pk, address, language in people.values_list("pk", "email", "chosen_language__language")
    ]


def _mails(
    kind: ApprovalKind[Any], event: Delivered, request: Any, people: Sequence[Addressee]
) -> Iterator[StaffMail]:
    receivers = [person for person in people if person.pk != request.proposer_id]
    texts = {language: _text(kind, request, language) for language in {one.language for one in receivers}}
    for person in receivers:
        subject, body = texts[person.language]
        yield StaffMail(
            event=event.name,
            subject_id=event.subject_id,
            address=person.address,
            subject=subject,
            body=body,
        )


def _text(kind: ApprovalKind[Any], request: Any, language: str) -> tuple[str, str]:
    """Return subject and body of a mail, with the address of the page where the request is decided."""
    with translation.override(language):
        values = {
            "kind": request._meta.verbose_name,
            "subject": kind.summary(request),
            "url": settings.PUBLIC_BASE_URL + kind.page_of(request),
        }
        return (
            _("To review: %(kind)s, %(subject)s") % values,
            _("A %(kind)s (%(subject)s) waits for your review:\n%(url)s\n") % values,
        )
