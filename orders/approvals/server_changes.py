"""Changes that one person makes alone: they hold at once, are audited, and the approvers get mail.

Commands on the server, since a person with a shell there has the database anyway; and in the back office what moves no
money but reads personal data or speaks for a carrier: API tokens, carriers' keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.urls import reverse
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from orders.approvals import mail
from orders.approvals.change_kind import differences
from orders.approvals.notify import Addressee, addressees
from orders.models import StaffMail
from ordersite.queue import audit

EVENT = "server.changed"
APPROVE_ACCOUNTS = "payments.approve_paymentaccount"


@dataclass(frozen=True, slots=True)
class Changed:
    """The row that was changed, and its name for people."""

    table: str
    row_id: int
    subject: str


@dataclass(frozen=True, slots=True)
class Wording:
    """What the mail says, with blanks for `_values`."""

    subject: Promise
    body: Promise


_BY_COMMAND = Wording(
    _("Changed on the server: %(subject)s"),
    _(
        "%(actor)s changed %(subject)s on the server: %(names)s. If nobody of you knows of it, look at once:"
        "\n%(url)s\n"
    ),
)
_BY_PERSON = Wording(
    _("Changed by one person: %(subject)s"),
    _(
        "%(actor)s changed %(subject)s in the back office: %(names)s. No second person was needed. If nobody of"
        " you knows of it, look at once:\n%(url)s\n"
    ),
)
_BY_MERCHANT = Wording(
    _("Changed by the merchant: %(subject)s"),
    _(
        "%(actor)s changed %(subject)s on the shop's own pages: %(names)s. If the merchant knows nothing of it,"
        " look at once:\n%(url)s\n"
    ),
)


def note(
    row: Changed,
    *,
    before: Mapping[str, str],
    after: Mapping[str, str],
    permission: str = APPROVE_ACCOUNTS,
    by: AbstractUser | None = None,
) -> None:
    """Write a change into the audit and queue a mail to the others who hold the right to approve such changes.

    `before` and `after` hold values as an auditor may read them: secrets as fingerprints. `by`: who made it in the back
    office or, of the merchant's people, on the shop's pages; None for a command on the server. Call it in the
    transaction of the change. Nothing is written where nothing changed.
    """
    changed = differences(before, after)
    if not changed:
        return
    actor = audit.command_actor() if by is None else audit.actor_of(by)
    entries = audit.record(
        [audit.AuditedChange(row.table, row.row_id, name, old, new) for name, (old, new) in changed.items()],
        actor=actor,
    )
    wording = _BY_COMMAND if by is None else _BY_PERSON if by.is_staff else _BY_MERCHANT
    mail.queue(
        _mail(entries[0].pk, one, wording, _values(row.subject, actor, changed))
        for one in addressees(permission)
        if by is None or one.pk != by.pk
    )


def _values(subject: str, actor: str, changed: Iterable[str]) -> dict[str, str]:
    """What the mail says: the names of the changed values and none of the values."""
    page = reverse("admin:rails_auditentry_changelist")
    return {
        "subject": subject,
        "actor": actor,
        "names": ", ".join(sorted(changed)),
        "url": settings.PUBLIC_BASE_URL + page,
    }


def _mail(entry_id: int, receiver: Addressee, wording: Wording, values: Mapping[str, str]) -> StaffMail:
    """The mail in the receiver's language, with the address of the audit."""
    with translation.override(receiver.language):
        return StaffMail(
            event=EVENT,
            subject_id=entry_id,
            address=receiver.address,
            subject=str(wording.subject) % values,
            body=str(wording.body) % values,
        )
