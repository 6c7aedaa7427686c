"""Chooses the account that brings a message: the shop's channels in their order, without those that cannot."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from orders.models import Order
from ordersite.messaging.accounts import template_id_of
from ordersite.messaging.addresses import address_of
from ordersite.messaging.models import BuyerMessage, MessageAccount, MessageEvent, MessageSettings
from ordersite.messaging.senders.interface import Sender
from ordersite.messaging.senders.registry import SENDERS


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message as far as its channel depends on it. `code` names its template in account files."""

    order: Order
    code: str
    channels: Sequence[str] = ()
    given_up: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class ShopRoutes:
    """How a shop writes, and its active accounts, oldest first."""

    settings: MessageSettings
    accounts: Sequence[MessageAccount]

    def tells(self, event: str) -> bool:
        """Whether buyers are told of this fact. What a rule sends is the rule's to decide."""
        return self.settings.is_on and (
            event == MessageEvent.RULE.value or event not in self.settings.events_off
        )

    def account_for(self, wanted: Wanted) -> MessageAccount | None:
        """The account that is tried next; None where no channel is left. One that cannot be used just now comes last."""
        possible = [
            account
            for channel in wanted.channels or self.settings.order_of_channels
            for account in self.accounts
            if account.channel == channel and is_possible(account, wanted)
        ]
        return next((account for account in possible if account.takes_messages), None) or next(
            iter(possible), None
        )


def is_possible(account: MessageAccount, wanted: Wanted) -> bool:
    """Whether this account can bring the message: an address of its kind, and a template where the vendor wants one."""
    sender = SENDERS.get(account.channel)
    if sender is None or sender.is_for_staff or account.channel in wanted.given_up:
        return False
    has_template = not sender.uses_templates or bool(template_id_of(account, wanted.code))
    return has_template and bool(address_of(wanted.order, sender.address_kind))


def shops_of(merchant_ids: Iterable[int]) -> Mapping[int, ShopRoutes]:
    """The shops of these merchants that have an active account for buyers, by merchant id. Two queries."""
    ids = set(merchant_ids)
    accounts: dict[int, list[MessageAccount]] = {}
    for account in MessageAccount.objects.filter(merchant_id__in=ids, is_active=True).order_by("pk"):
        sender = SENDERS.get(account.channel)
        if sender is not None and not sender.is_for_staff:
            accounts.setdefault(account.merchant_id, []).append(account)
    if not accounts:
        return {}
    rows = {row.merchant_id: row for row in MessageSettings.objects.filter(merchant_id__in=accounts)}
    return {
        pk: ShopRoutes(rows.get(pk) or MessageSettings(merchant_id=pk), own) for pk, own in accounts.items()
    }


def wanted_of(message: BuyerMessage) -> Wanted:
    """What a stored message wants. Reads its order, buyer and template; not for notices to staff."""
    if message.order is None:
        raise ValueError("a notice has no route")
    return Wanted(message.order, code_of(message), message.channels, message.given_up)


def code_of(message: BuyerMessage) -> str:
    """The name of the message's template in account files: the fact, or the name of the rule's text."""
    return message.template.name if message.template is not None else message.event


def sender_of(account: MessageAccount) -> Sender | None:
    """The sender of an account; None where this version does not know its channel."""
    return SENDERS.get(account.channel)
