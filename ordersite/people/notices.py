"""What happened to a person's log-in: an audit entry, and a mail to the person."""

from __future__ import annotations

import enum

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.urls import reverse
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.approvals import mail
from orders.models import StaffLanguage, StaffMail
from ordersite.queue import audit

TABLE = "people_authenticator"
EVENT = "person.two_step_login"


class Happened(enum.Enum):
    """What happened, as the audit's new value says it."""

    SET_UP = "set up"
    REPLACED = "replaced"
    TAKEN_AWAY = "taken away"
    CODE_USED = "recovery code used"
    CODES_RENEWED = "recovery codes renewed"


_SENTENCES: dict[Happened, str | Promise] = {
    Happened.SET_UP: gettext_lazy("Two-step log-in was set up"),
    Happened.REPLACED: gettext_lazy("Two-step log-in was set up on another device"),
    Happened.TAKEN_AWAY: gettext_lazy("Two-step log-in was taken away"),
    Happened.CODE_USED: gettext_lazy("A recovery code was used to log in"),
    Happened.CODES_RENEWED: gettext_lazy("New recovery codes were made"),
}


def record(user: AbstractUser, happened: Happened, *, actor: str) -> None:
    """Write the audit entry and queue the mail, in the transaction of the change. The row's id is the person's."""
    change = audit.AuditedChange(TABLE, user.pk, "two-step log-in", "", happened.value)
    [entry] = audit.record([change], actor=actor)
    if user.email:
        mail.queue([_mail(entry.pk, user, _SENTENCES[happened], actor)])


def _mail(entry_id: int, user: AbstractUser, sentence: str | Promise, actor: str) -> StaffMail:
    with translation.override(_language_of(user)):
        values = {
            "sentence": str(sentence),
            "user": user.get_username(),
            "actor": actor,
            "url": settings.PUBLIC_BASE_URL + reverse("security"),
        }
        return StaffMail(
            event=EVENT,
            subject_id=entry_id,
            address=user.email,
            subject=_("%(sentence)s: %(user)s") % values,
            body=_(
                "%(sentence)s for %(user)s, by %(actor)s. If it was not you, change your password and tell an"
                " administrator at once:\n%(url)s\n"
            )
            % values,
        )


def _language_of(user: AbstractUser) -> str:
    chosen = StaffLanguage.objects.filter(user_id=user.pk).values_list("language", flat=True).first()
    return chosen if chosen in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
