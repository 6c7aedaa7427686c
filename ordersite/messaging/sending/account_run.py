"""One batch of messages over one leased account: token, claim, calls, records, release."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from django.utils import timezone

from ordersite.database.skip_locked import claim_rows
from ordersite.health.alerts import raise_alert
from ordersite.health.models import Alert
from ordersite.lib.crypto import CannotDecrypt
from ordersite.messaging.accounts import keys_of
from ordersite.messaging.models import BuyerMessage, MessageAccount
from ordersite.messaging.senders.interface import Sender
from ordersite.messaging.senders.types import AccessToken, Action, SendError
from ordersite.messaging.sending import tokens
from ordersite.messaging.sending.call import SEND_WITHIN_SECONDS, Called, OpenChannel, call, fetch_token
from ordersite.messaging.sending.judge import Outgoing, judge
from ordersite.messaging.sending.record import record
from ordersite.outside_accounts.throttle import Lease, Throttle

# Longer than a call and its wait: until it is over, no other process touches the account or its messages.
LEASE = timedelta(seconds=90)
MOST_AT_ONCE = 8
_UNREADABLE = timedelta(minutes=10)
# Of any sender; the rate of each is in `throttle_of`.
ACCOUNTS = Throttle(accounts=MessageAccount, lease=LEASE, only_active=True)


def throttle_of(sender: Sender) -> Throttle[MessageAccount]:
    """The throttle of the accounts of this sender: the vendor's rate, one process at a time."""
    rate = sender.most_a_second
    return Throttle(
        accounts=MessageAccount,
        lease=LEASE,
        calls_at_once=MOST_AT_ONCE if rate is None else max(1, min(MOST_AT_ONCE, int(rate))),
        calls_per_second=rate,
        only_active=True,
    )


class AccountSending:
    """A leased account within a run. It has ended once `calls` is empty after a `step`; then release it."""

    def __init__(
        self, sender: Sender, throttle: Throttle[MessageAccount], lease: Lease[MessageAccount]
    ) -> None:
        self.account, self.tried = lease.account, 0
        self.calls: dict[Future[Called], Outgoing] = {}
        self.token_call: Future[AccessToken | SendError] | None = None
        self._sender, self._throttle, self._lease = sender, throttle, lease
        self._outages, self._alarm = list[bool](), timedelta()

    @property
    def futures(self) -> list[Future[Any]]:
        """What it waits for."""
        return [*self.calls, *([self.token_call] if self.token_call else [])]

    def begin(self, pool: ThreadPoolExecutor) -> None:
        """Fetch a token where one is needed and there is none; else claim messages and send them."""
        # The lease was taken after this row was read: another process may have renewed the token meanwhile.
        self.account.refresh_from_db(fields=["sealed_token", "token_expires_at"])
        try:
            keys = keys_of(self.account)
        except CannotDecrypt:
            raise_alert(Alert.Kind.MESSAGE_ACCOUNT, self.account.slug, "its secrets cannot be opened")
            self._alarm = _UNREADABLE
            return
        token = tokens.token_of(self.account, now=timezone.now()) if self._sender.needs_token else ""
        channel = OpenChannel(self._sender, keys, token)
        if self._sender.needs_token and not token:
            self.token_call = pool.submit(fetch_token, channel)
        else:
            self._send(channel, pool)

    def _send(self, channel: OpenChannel, pool: ThreadPoolExecutor) -> None:
        due = BuyerMessage.objects.due(timezone.now()).filter(account=self.account)
        until = {"leased_until": timezone.now() + LEASE}
        ids = [pk for (pk,) in claim_rows(due, limit=self._lease.size, values=until)]
        before = time.monotonic() + SEND_WITHIN_SECONDS
        for outgoing in judge(self.account, self._sender, ids) if ids else []:
            self.calls[pool.submit(call, channel, outgoing, before)] = outgoing
            self.tried += 1

    def step(self, pool: ThreadPoolExecutor) -> None:
        """Record what has ended; once there is a token, send."""
        if self.token_call is not None and self.token_call.done():
            token, self.token_call = self.token_call.result(), None
            if isinstance(token, AccessToken):
                tokens.keep_token(self.account, token)
                self._send(OpenChannel(self._sender, keys_of(self.account), token.value), pool)
            else:
                self._token_failed(token)
        done: Mapping[Future[Called], Outgoing] = {
            one: outgoing for one, outgoing in self.calls.items() if one.done()
        }
        if done:
            self._record(done)

    def _record(self, done: Mapping[Future[Called], Outgoing]) -> None:
        for one in done:
            del self.calls[one]
        found = record(
            self.account, self._sender, [(outgoing, one.result()) for one, outgoing in done.items()]
        )
        self._outages += found.outages
        if found.has_lost_token:
            tokens.drop_token(self.account)
        if found.alarm is not None and found.alarm.code != "bad_template":
            self._alarm = max(self._alarm, found.alarm.pause)

    def _token_failed(self, error: SendError) -> None:
        self._outages.append(True)
        if error.action is Action.ALARM:
            problem = f"{error.code}: {error.words}"[:200]
            MessageAccount.objects.filter(pk=self.account.pk).update(
                unusable_since=timezone.now(), last_problem=problem
            )
            raise_alert(Alert.Kind.MESSAGE_ACCOUNT, self.account.slug, f"{self.account.channel}: {problem}")
            self._alarm = max(self._alarm, error.pause)

    def release(self) -> None:
        """End the lease; an account that cannot be used as it is rests for as long as its vendor's word asks for."""
        self._throttle.release(self._lease, self._outages)
        if self._alarm:
            self._throttle.open_circuit(self.account.pk, self._alarm)
