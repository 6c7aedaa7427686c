"""Telling those who may decide that somebody waits for them: by e-mail, with an order number and an amount, no more."""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage, get_connection
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from ordersite.lib.money import format_amount
from ordersite.rails.relay import Answer, Delivered, Later
from payments.deciding import REVIVAL, SETTLEMENT, Kind
from payments.models import Proposal, RefundRequest, RevivalRequest, SettlementRequest
from payments.refunds.deciding import REFUND

Asked = Proposal | RefundRequest
# A mail server that does not take it is tried again so much later; nobody waits for it.
RETRY = timedelta(minutes=1)
# The desk shows what waits; a mail of the day before yesterday helps nobody.
GIVE_UP_AFTER = timedelta(days=1)

logger = logging.getLogger(__name__)


def approvers(kind: Kind, proposal: Asked) -> list[User]:
    """Active people with the right to decide and an e-mail address, without the one who proposed."""
    allowed = User.objects.with_perm(kind.may_decide, backend="django.contrib.auth.backends.ModelBackend")
    return list(allowed.exclude(email="").exclude(pk=proposal.proposer_id or 0).order_by("pk"))


def tell_approvers(
    kind: Kind,
    model: type[SettlementRequest] | type[RevivalRequest] | type[RefundRequest],
    events: Sequence[Delivered],
) -> Sequence[Answer]:
    """Write to them about what still waits. A server that fails is an answer «later», never an error.

    The one call to the outside in the relay's transaction, at most EMAIL_TIMEOUT long for each try: it holds no row
    that anybody else waits for, but on SQLite the writers' turn. So a batch tries a server that fails only once.
    """
    rows = model._default_manager.filter(pk__in=[event.subject_id for event in events]).select_related(
        "order"
    )
    waiting = {row.pk: row for row in rows if row.is_waiting}
    answers: list[Answer] = []
    for event in events:
        failed = next(filter(None, answers), None)
        proposal = waiting.get(event.subject_id)
        answers.append(failed or (_tell(kind, proposal, event) if proposal else None))
    return answers


def _tell(kind: Kind, proposal: Asked, event: Delivered) -> Answer:
    """Later only where nobody was told: whoever has the mail must not get it again for another's full mailbox."""
    messages = [_message(proposal, user.email) for user in approvers(kind, proposal)]
    told, trouble = _send(messages) if messages else (0, "")
    if told or not trouble:
        return None
    if timezone.now() - event.at > GIVE_UP_AFTER:
        logger.error("nobody could be told: %s", trouble, extra={"proposal": str(proposal)})
        return None
    return Later(RETRY, f"mail: {trouble}")


def _send(messages: Sequence[EmailMessage]) -> tuple[int, str]:
    """How many were taken, and the last trouble."""
    told, trouble = 0, ""
    try:
        with get_connection() as server:
            for message in messages:
                try:
                    told += server.send_messages([message]) or 0
                except smtplib.SMTPRecipientsRefused as refused:
                    trouble = refused.__class__.__name__
    except (OSError, smtplib.SMTPException) as error:
        trouble = error.__class__.__name__
    return told, trouble


def _message(proposal: Asked, address: str) -> EmailMessage:
    """In the language of the installation: who reads it has no page open that could say another."""
    with translation.override(settings.LANGUAGE_CODE):
        page = reverse(f"admin:payments_{proposal._meta.model_name}_change", args=[proposal.pk])
        words = {
            "kind": proposal._meta.verbose_name,
            "number": proposal.order.number,
            "amount": format_amount(proposal.amount),
            "url": settings.PUBLIC_BASE_URL + page,
        }
        return EmailMessage(
            subject=_("To review: %(kind)s, order %(number)s, ¥%(amount)s") % words,
            body=_("A %(kind)s for order %(number)s (¥%(amount)s) waits for your review:\n%(url)s\n") % words,
            to=[address],
        )


tell_of_settlement = partial(tell_approvers, SETTLEMENT, SettlementRequest)
tell_of_revival = partial(tell_approvers, REVIVAL, RevivalRequest)
tell_of_refund = partial(tell_approvers, REFUND, RefundRequest)
