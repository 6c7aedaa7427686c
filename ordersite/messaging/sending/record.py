"""Records how attempts ended, and what follows for their messages and their account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from ordersite.database import bulk
from ordersite.health.alerts import heal_alert, raise_alert
from ordersite.health.models import Alert
from ordersite.messaging.models import (
    AttemptResult,
    BuyerMessage,
    MessageAccount,
    MessageAttempt,
    MessageSettings,
    MessageStatus,
)
from ordersite.messaging.routes import ShopRoutes, shops_of, wanted_of
from ordersite.messaging.senders.interface import Sender
from ordersite.messaging.senders.types import Action, SendError
from ordersite.messaging.sending import consents
from ordersite.messaging.sending.call import Called
from ordersite.messaging.sending.doubts import doubts_of, is_final
from ordersite.messaging.sending.judge import Outgoing, end, move_on, write

# After the first failure over a channel, the second …
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 60, 300, 1200))
# Then the next channel has its chance.
MOST_FAILURES = 6
# A vendor's report may end the doubt before the message goes out again.
REPORT_WITHIN = timedelta(minutes=3)
# One template that the vendor does not know stops its messages, not the account.
_OF_ONE_TEMPLATE = "bad_template"
_LOST_TOKEN = "token_expired"  # noqa: S105 (a code)

Ended = tuple[Outgoing, Called]


@dataclass(slots=True)
class Recorded:
    """What a batch says of its account: calls that failed, why it cannot be used as it is, whether its token is refused."""

    outages: list[bool] = field(default_factory=list)
    alarm: SendError | None = None
    has_lost_token: bool = False


def record(account: MessageAccount, sender: Sender, results: Sequence[Ended]) -> Recorded:
    """Record the results of these attempts at messages of one account in one transaction."""
    by_id = {outgoing.message_id: (outgoing, called) for outgoing, called in results}
    with transaction.atomic():
        messages = BuyerMessage.objects.filter(pk__in=by_id).lock_in_order()
        # First the attempts: what is done with a message depends on how often it may have arrived.
        bulk.update_rows(
            MessageAttempt,
            [_attempt(outgoing, called) for outgoing, called in results],
            ("result", "code", "words", "vendor_id", "duration_ms"),
        )
        shop = shops_of([account.merchant_id]).get(account.merchant_id)
        batch = _Results(
            sender, shop or ShopRoutes(MessageSettings(merchant_id=account.merchant_id), ()), timezone.now()
        )
        for message in messages:
            batch.note(message, by_id[message.pk][1])
        write(messages)
        if batch.not_sent and account.channel == consents.CHANNEL:
            consents.give_back(batch.not_sent)
    _tend_account(account, batch)
    return batch.recorded


@dataclass(slots=True)
class _Results:
    sender: Sender
    shop: ShopRoutes
    now: datetime
    not_sent: list[int] = field(default_factory=list)
    recorded: Recorded = field(default_factory=Recorded)
    has_sent: bool = False

    def note(self, message: BuyerMessage, called: Called) -> None:
        """Apply one result. A message that was ended meanwhile (its report came first) keeps its end."""
        message.leased_until = None
        if message.attempts > 1 and (called.error is None or not called.error.outcome_known):
            message.may_be_twice = message.may_be_twice or doubts_of(message).times > 1
        if called.error is None:
            self.has_sent = True
            self.recorded.outages.append(False)
            # Whoever took it over meanwhile could only say that it may have been sent: now it is known.
            if message.is_waiting or (message.is_uncertain and message.status == MessageStatus.FAILED):
                message.succeed(self.now)
            return
        self._note_account(called.error)
        if message.is_waiting:
            self._fail(message, called.error)

    def _note_account(self, error: SendError) -> None:
        self.recorded.outages.append(error.code in ("busy", "unknown"))
        if error.code == _LOST_TOKEN:
            self.recorded.has_lost_token = True
        if error.action is Action.ALARM:
            self.recorded.alarm = error

    def _fail(self, message: BuyerMessage, error: SendError) -> None:
        if not error.outcome_known:
            self._not_known(message, error)
            return
        self.not_sent.append(message.pk)
        if error.action is Action.GIVE_UP or error.code == _OF_ONE_TEMPLATE:
            move_on(message, self.shop, error.code, self.now)
        elif error.action is Action.ALARM:
            self._leave_account(message, error)
        else:
            self._try_again(message, error)

    def _leave_account(self, message: BuyerMessage, error: SendError) -> None:
        """Plan another account of the shop at once; without one the message waits for this one."""
        others = ShopRoutes(
            self.shop.settings, [one for one in self.shop.accounts if one.pk != message.account_id]
        )
        is_fixed = message.is_for_staff or is_final(message)
        account = None if is_fixed else others.account_for(wanted_of(message))
        if account is None:
            message.retry(self.now + error.pause, error.code)
        else:
            message.account, message.failures = account, 0
            message.retry(self.now, error.code)

    def _not_known(self, message: BuyerMessage, error: SendError) -> None:
        """It may have arrived: a vendor that sends a key once gets it again; others get it again after a while."""
        message.is_uncertain = True
        doubts = doubts_of(message)
        if self.sender.has_message_key and doubts.is_safe(self.sender.name, self.now):
            self._try_again(message, error)
        elif doubts.allow_another:
            within = REPORT_WITHIN if self.sender.takes_reports else timedelta(0)
            message.retry(self.now + max(error.pause, within), "doubt")
        else:
            end(message, "unknown", self.now)

    def _try_again(self, message: BuyerMessage, error: SendError) -> None:
        message.failures += 1
        if message.failures >= MOST_FAILURES:
            move_on(message, self.shop, "unknown" if message.is_uncertain else error.code, self.now)
            return
        pause = PAUSES[min(message.failures, len(PAUSES)) - 1]
        # A token is renewed and tried at once, but not for ever.
        is_at_once = error.code == _LOST_TOKEN and message.failures == 1
        message.retry(self.now + (timedelta(0) if is_at_once else max(pause, error.pause)), error.code)


def _attempt(outgoing: Outgoing, called: Called) -> MessageAttempt:
    error = called.error
    if error is None:
        result = AttemptResult.SENT
    elif not error.outcome_known:
        result = AttemptResult.UNKNOWN
    else:
        result = AttemptResult(error.action.value.replace("give_up", "given_up"))
    return MessageAttempt(
        pk=outgoing.attempt_id,
        result=result.value,
        code=error.code if error else "",
        words=error.words if error else "",
        vendor_id=called.sent.vendor_id[:100] if called.sent else "",
        duration_ms=called.duration_ms,
    )


def _tend_account(account: MessageAccount, batch: _Results) -> None:
    """Note on the account's row whether it can be used, and alarm staff where it cannot."""
    row, alarm = MessageAccount.objects.filter(pk=account.pk), batch.recorded.alarm
    if alarm is not None:
        problem = f"{alarm.code}: {alarm.words}"[:200]
        if alarm.code == _OF_ONE_TEMPLATE:
            row.update(last_problem=problem)
        else:
            row.update(unusable_since=timezone.now(), last_problem=problem)
        raise_alert(Alert.Kind.MESSAGE_ACCOUNT, account.slug, f"{account.channel}: {problem}")
    elif batch.has_sent and account.last_problem:
        row.update(unusable_since=None, last_problem="")
        heal_alert(Alert.Kind.MESSAGE_ACCOUNT, account.slug)
