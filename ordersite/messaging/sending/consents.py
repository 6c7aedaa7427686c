"""The consents that WeChat's subscription messages use up: one agreement, one message."""

from __future__ import annotations

from collections.abc import Collection

from django.utils import timezone

from orders.models import Order
from ordersite.messaging.addresses import digest_of
from ordersite.messaging.models import BuyerMessage, SubscriptionConsent
from ordersite.messaging.senders.interface import AddressKind

CHANNEL = "wechat_subscribe"


def give_consent(order: Order, template_id: str) -> SubscriptionConsent:
    """Note that the order's buyer has agreed to one message of this template at WeChat."""
    return SubscriptionConsent.objects.create(
        merchant_id=order.merchant_id,
        digest=digest_of(AddressKind.OPENID, order.buyer.openid),
        template_id=template_id,
        given_at=timezone.now(),
    )


def take_consent(message: BuyerMessage, digest: str, template_id: str) -> bool:
    """Use the oldest consent for this message, unless it has one already; False where there is none.

    Call inside a transaction that holds the message's lock.
    """
    if SubscriptionConsent.objects.filter(message=message, template_id=template_id).exists():
        return True
    unused = SubscriptionConsent.objects.filter(
        merchant_id=message.merchant_id, digest=digest, template_id=template_id, message__isnull=True
    )
    found = unused.select_for_update(skip_locked=True, no_key=True).order_by("pk").first()
    if found is None:
        return False
    found.message = message
    found.save(update_fields=["message"])
    return True


def give_back(message_ids: Collection[int]) -> None:
    """The vendor has not taken these messages: their consents hold for others."""
    SubscriptionConsent.objects.filter(message_id__in=message_ids).update(message=None)
