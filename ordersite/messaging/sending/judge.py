"""Judges claimed messages right before they are sent, and counts the attempts of those that go out, all in one commit.

A process that dies afterwards leaves attempts that may have arrived: whoever takes the message over treats it so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from ordersite.database import bulk
from ordersite.messaging.accounts import template_id_of
from ordersite.messaging.addresses import address_of, digest_of, masked
from ordersite.messaging.models import (
    AttemptResult,
    BuyerMessage,
    MessageAccount,
    MessageAttempt,
    MessageEvent,
    MessageSettings,
    MessageStatus,
    StopListEntry,
)
from ordersite.messaging.models.events import URGENT
from ordersite.messaging.routes import ShopRoutes, code_of, shops_of, wanted_of
from ordersite.messaging.senders.interface import Sender
from ordersite.messaging.senders.types import OutgoingMessage
from ordersite.messaging.sending import consents
from ordersite.messaging.sending.caps import SentToday
from ordersite.messaging.sending.doubts import doubts_of, is_final
from ordersite.messaging.sending.facts import is_true
from ordersite.messaging.sending.quiet_hours import next_day, quiet_until, start_of_day
from ordersite.messaging.sending.write_out import NoText, Writer, texts_of

# A fact that could not be told for so long is no news any more.
TOO_LATE = timedelta(hours=48)
COLUMNS = (
    "account", "given_up", "status", "reason", "is_uncertain", "may_be_twice", "attempts", "failures", "recipient",
    "recipient_digest", "last_try_at", "next_try_at", "settled_at", "leased_until",
)  # fmt: skip
# Of these the buyer was to hear nothing; anything else is a failure.
_SUPPRESSING = frozenset({"off", "outdated", "stopped", "no_consent"})


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message whose attempt has been counted, written out for its sender."""

    message_id: int
    attempt_id: int
    content: OutgoingMessage


def judge(account: MessageAccount, sender: Sender, ids: Collection[int]) -> list[Outgoing]:
    """Count an attempt at each of these messages of the account that may go out; return them written out.

    The others wait, go on to the shop's next channel, or end.
    """
    with transaction.atomic():
        messages = BuyerMessage.objects.filter(pk__in=ids, account=account).lock_in_order()
        claim = _ClaimedMessages.load(account, sender, messages)
        for message in messages:
            claim.judge(message)
        MessageAttempt.objects.filter(message__in=claim.taken_over, result=AttemptResult.STARTED).update(
            result=AttemptResult.UNKNOWN
        )
        write(messages)
        tries = [_attempt(message, account, claim.now) for message, _content in claim.going]
        inserted = {
            message_id: pk
            for pk, message_id in bulk.insert_rows(MessageAttempt, tries, returning=("id", "message"))
        }
    return [Outgoing(message.pk, inserted[message.pk], content) for message, content in claim.going]


def write(messages: Sequence[BuyerMessage]) -> None:
    """Write the states of these locked messages."""
    if bulk.update_rows(BuyerMessage, messages, COLUMNS) != len(messages):
        raise RuntimeError("a locked message was not changed")


def move_on(message: BuyerMessage, shop: ShopRoutes, code: str, now: datetime) -> None:
    """Give the message's channel up for it and plan the next one at once; without one the message ends."""
    if message.account is not None and message.account.channel not in message.given_up:
        message.given_up = [*message.given_up, message.account.channel]
    account = None if message.is_for_staff or is_final(message) else shop.account_for(wanted_of(message))
    if account is None:
        end(message, code, now)
        return
    message.account, message.failures = account, 0
    message.retry(now, code) if message.attempts else wait(message, now, code)


def end(message: BuyerMessage, code: str, now: datetime) -> None:
    """End a message: held back where the buyer was to hear nothing and has heard nothing, failed otherwise."""
    if code in _SUPPRESSING and not message.is_uncertain:
        message.suppress(now, code)
    else:
        message.fail(now, code)


def wait(message: BuyerMessage, until: datetime, code: str) -> None:
    """Let a message wait until `until` (UTC); no attempt is counted."""
    if message.status == MessageStatus.IN_FLIGHT:
        message.retry(until, code)
    message.next_try_at, message.leased_until, message.reason = until, None, code


def _attempt(message: BuyerMessage, account: MessageAccount, now: datetime) -> MessageAttempt:
    return MessageAttempt(
        message=message,
        account=account,
        channel=account.channel,
        outside_id=message.outside_id,
        recipient_digest=message.recipient_digest,
        at=now,
        result=AttemptResult.STARTED.value,
    )


@dataclass(slots=True)
class _ClaimedMessages:
    """The locked messages of one account, with all that judging them needs."""

    account: MessageAccount
    sender: Sender
    shop: ShopRoutes
    writer: Writer
    stopped: Collection[str]
    today: SentToday
    digests: Mapping[int, str]
    now: datetime
    going: list[tuple[BuyerMessage, OutgoingMessage]] = field(default_factory=list)
    taken_over: list[int] = field(default_factory=list)

    @classmethod
    def load(
        cls, account: MessageAccount, sender: Sender, messages: Sequence[BuyerMessage]
    ) -> _ClaimedMessages:
        """Read settings, texts, stop list and counts. A fixed number of queries."""
        now, kind = timezone.now(), sender.address_kind
        shop = shops_of([account.merchant_id]).get(account.merchant_id)
        shop = shop or ShopRoutes(MessageSettings(merchant_id=account.merchant_id), ())
        addresses = {one.pk: address_of(one.order, kind) for one in messages if one.order is not None}
        digests = {pk: digest_of(kind, address) for pk, address in addresses.items() if address}
        stopped = StopListEntry.objects.filter(
            merchant_id=account.merchant_id, digest__in=sorted(set(digests.values()))
        )
        return cls(
            account=account,
            sender=sender,
            shop=shop,
            writer=Writer(shop, texts_of(messages)),
            stopped=set(stopped.values_list("digest", flat=True)) if digests else set(),
            today=SentToday.load(set(digests.values()), start_of_day(shop.settings, now)),
            digests=digests,
            now=now,
        )

    def judge(self, message: BuyerMessage) -> None:
        """Start one message, or let it wait, move on or end."""
        if message.status == MessageStatus.IN_FLIGHT:  # its process died with the attempt
            message.is_uncertain = True
            self.taken_over.append(message.pk)
        if message.is_uncertain and self._ends_in_doubt(message):
            return
        if code := self._obstacle(message):
            end(message, code, self.now)
        elif message.is_for_staff:
            self._start(message, "")
        else:
            self._judge_person(message)

    def _ends_in_doubt(self, message: BuyerMessage) -> bool:
        """End a message that may have been sent too often, or give its channel up; False where it may go out again here."""
        doubts, channel = doubts_of(message), self.account.channel
        message.may_be_twice = message.may_be_twice or doubts.times > 1
        if doubts.is_safe(channel, self.now):
            return False
        if not doubts.allow_another:
            end(message, "unknown", self.now)
            return True
        # It has not answered for as long as its key lasts: another channel, if there is one, may work.
        if channel in doubts.safe_until and self._has_other_channel(message):
            move_on(message, self.shop, "unknown", self.now)
            return True
        return False

    def _has_other_channel(self, message: BuyerMessage) -> bool:
        if message.is_for_staff:
            return False
        wanted = wanted_of(message)
        return bool(self.shop.account_for(replace(wanted, given_up=[*wanted.given_up, self.account.channel])))

    def _obstacle(self, message: BuyerMessage) -> str:
        """Why nobody is to be told any more; empty where somebody is."""
        if self.now > message.queued_at + TOO_LATE:
            return "too_late"
        if message.is_for_staff:
            return ""
        if not self.shop.tells(message.event):
            return "off"
        return "" if is_true(message) else "outdated"

    def _judge_person(self, message: BuyerMessage) -> None:
        """What this person's address allows now."""
        digest, settings = self.digests.get(message.pk, ""), self.shop.settings
        is_urgent = MessageEvent(message.event) in URGENT
        until = None if is_urgent else quiet_until(settings, self.now)
        if not digest:
            move_on(message, self.shop, "no_address", self.now)
        elif digest in self.stopped:
            move_on(message, self.shop, "stopped", self.now)
        elif until is not None:
            wait(message, until, "quiet_hours")
        elif self._is_capped(digest):
            wait(message, next_day(settings, self.now), "cap")
        elif not self._has_consent(message, digest):
            move_on(message, self.shop, "no_consent", self.now)
        else:
            self._start(message, digest)

    def _is_capped(self, digest: str) -> bool:
        """Whether this address has had all that the shop, or the vendor, lets it have on one day."""
        most = self.sender.most_a_day_per_number
        if self.today.to(digest) >= self.shop.settings.most_a_day:
            return True
        return most is not None and self.today.over(digest, self.account.pk) >= most

    def _has_consent(self, message: BuyerMessage, digest: str) -> bool:
        if self.account.channel != consents.CHANNEL:
            return True
        return consents.take_consent(message, digest, template_id_of(self.account, code_of(message)))

    def _start(self, message: BuyerMessage, digest: str) -> None:
        kind = self.sender.address_kind
        address = address_of(message.order, kind) if message.order is not None else ""
        try:
            content = self.writer.write(message, self.account, self.sender, address)
        except NoText:
            move_on(message, self.shop, "no_text", self.now)
            return
        message.recipient, message.recipient_digest = masked(kind, address) if address else "", digest
        message.start(self.now)
        self.going.append((message, content))
        if digest:
            self.today.count(digest, self.account.pk)
