"""The consents that WeChat's subscription messages use up: one agreement, one message."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from orders.models import Buyer, Order
from ordersite.lib.errors import DomainError
from ordersite.messaging.accounts import template_id_of
from ordersite.messaging.addresses import digest_of
from ordersite.messaging.models import BuyerMessage, MessageAccount, SubscriptionConsent
from ordersite.messaging.senders.interface import AddressKind

CHANNEL = "wechat_subscribe"
# Of one person and template: more than a shop can use, and an end for one that reports without end.
MOST_LEFT = 50


def record_consents(order: Order, messages: Sequence[str], *, times: int) -> dict[str, int]:
    """Note that the order's buyer has agreed to each of these messages `times` more; return how many are left of each.

    A message is named as in account files: a fact, or the name of a rule's text. No more than MOST_LEFT are kept. Reads the
    order's `buyer`. Raises `DomainError` no_openid, and no_subscription with the first message that no active account of
    the shop has a template for.
    """
    if not order.buyer.openid:
        raise DomainError("no_openid", _("The buyer of this order is not known by an openid of WeChat."))
    templates = {message: _template_of(order.merchant_id, message) for message in messages}
    with transaction.atomic():
        # Two calls at once must not go beyond the bound.
        Buyer.objects.select_for_update(no_key=True).get(pk=order.buyer_id)
        return {message: _record(order, template_id, times) for message, template_id in templates.items()}


def _template_of(merchant_id: int, message: str) -> str:
    accounts = MessageAccount.objects.filter(merchant_id=merchant_id, channel=CHANNEL, is_active=True)
    for account in accounts.order_by("pk"):
        if template_id := template_id_of(account, message):
            return template_id
    text = _("The shop has no subscription template at WeChat for %(name)s.")
    raise DomainError("no_subscription", text, name=message)


def _record(order: Order, template_id: str, times: int) -> int:
    digest = digest_of(AddressKind.OPENID, order.buyer.openid)
    names = {"merchant_id": order.merchant_id, "digest": digest, "template_id": template_id}
    left = SubscriptionConsent.objects.filter(**names, message__isnull=True).count()
    new = max(0, min(times, MOST_LEFT - left))
    SubscriptionConsent.objects.bulk_create([SubscriptionConsent(**names) for _one in range(new)])
    return left + new


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
