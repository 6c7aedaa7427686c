"""A person has a message sent once more: recorded with the reason, and as a message of its own for the vendor."""

from __future__ import annotations

from functools import partial

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ordersite.database import bulk
from ordersite.lib.errors import DomainError
from ordersite.messaging.compose import TASK, new_outside_id
from ordersite.messaging.models import BuyerMessage, MessageAccount, MessageResend
from ordersite.messaging.routes import shops_of, wanted_of
from ordersite.messaging.sending.judge import COLUMNS
from ordersite.queue import wakeups

RIGHT = "messaging.resend_message"
_AGAIN = (*COLUMNS, "outside_id", "queued_at", "is_delivered", "delivery_words")


def resend(message_id: int, *, by: User, reason: str) -> BuyerMessage:
    """Queue a message that has ended once more. Stop list, quiet hours and caps hold for it as for any other.

    Raises `DomainError` message_waits (it is still to be sent) and no_channel.
    """
    now = timezone.now()
    with transaction.atomic():
        [message] = BuyerMessage.objects.filter(pk=message_id).lock_in_order()
        if message.is_waiting:
            raise DomainError("message_waits", _("The message is still to be sent."))
        message.send_again(now, new_outside_id())
        account = _account_of(message)
        if account is None:
            raise DomainError("no_channel", _("There is no message account that can send it."))
        message.account = account
        bulk.update_rows(BuyerMessage, [message], _AGAIN)
        MessageResend.objects.create(message=message, by=by, reason=reason[:200], at=now)
        transaction.on_commit(partial(wakeups.wake, TASK))
    return message


def _account_of(message: BuyerMessage) -> MessageAccount | None:
    if message.is_for_staff:
        return message.account
    shop = shops_of([message.merchant_id]).get(message.merchant_id)
    return shop.account_for(wanted_of(message)) if shop else None
