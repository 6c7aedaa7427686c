"""Tells staff by mail: everybody of a role gets one, in the language that they read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django.conf import settings
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.approvals import mail
from orders.models import Order, StaffMail
from ordersite.automation.actions.interface import (
    DONE,
    ActionOutcome,
    ActionParam,
    ActionTask,
    RuleAction,
    one_by_one,
    skipped,
)
from ordersite.roles import ROLE_LABELS

EVENT, NOBODY = "automation.mail", "nobody"


def _mail_staff(task: ActionTask) -> ActionOutcome:
    people = User.objects.filter(groups__name=task.params["role"], is_active=True, is_staff=True)
    rows = people.exclude(email="").values_list("email", "chosen_language__language")
    found = {address: language or settings.LANGUAGE_CODE for address, language in rows}
    mail.queue(_mails(task, found))
    return DONE if found else skipped(NOBODY)


def _mails(task: ActionTask, people: Mapping[str, str]) -> Iterator[StaffMail]:
    number = Order.objects.values_list("number", flat=True).get(pk=task.order_id)
    url = settings.PUBLIC_BASE_URL + reverse("admin:orders_order_change", args=[task.order_id])
    for address, language in people.items():
        known = language if language in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
        with translation.override(known):
            values = {"rule": task.rule_name, "number": number, "text": task.params["text"], "url": url}
            yield StaffMail(
                event=EVENT,
                subject_id=task.action_run_id,
                address=address,
                subject=(_("%(rule)s: order %(number)s") % values)[:200],
                body=_("%(text)s\n\nOrder %(number)s: %(url)s\n\nThis was sent by the rule “%(rule)s”.\n")
                % values,
            )


MAIL_STAFF = RuleAction(
    key="mail_staff",
    label=gettext_lazy("tell staff by mail"),
    explain=gettext_lazy(
        "Everybody of the role who has an e-mail address gets a mail with a link to the order."
    ),
    permission="automation.manage_rules",
    run=one_by_one(_mail_staff),
    params=(
        ActionParam("role", gettext_lazy("role"), choices=lambda: list(ROLE_LABELS.items())),
        ActionParam("text", gettext_lazy("what the mail says")),
    ),
    words={NOBODY: gettext_lazy("Nobody of this role has an e-mail address.")},
)
