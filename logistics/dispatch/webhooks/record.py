"""Records what warehouses answered to messages, with what follows for the instructions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from logistics.dispatch.instructions import answers, reserve
from logistics.dispatch.instructions.refuse import follow_up, refuse
from logistics.dispatch.webhooks import queue, trouble
from logistics.dispatch.webhooks.call import PostReply
from logistics.dispatch.webhooks.judge import Sending
from logistics.models import (
    Dispatch,
    DispatchStatus,
    DispatchWebhook,
    DispatchWebhookAttempt,
    WebhookEvent,
    WebhookResult,
)
from orders import lifecycle
from ordersite.database import bulk

# After the first failure, the second …; then the last one again and again.
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 60, 180, 600, 1800, 3600))
# About a day.
MOST_FAILURES = 30


def pause_after(failures: int) -> timedelta:
    """How long a message waits after so many failures in a row."""
    return PAUSES[min(failures, len(PAUSES)) - 1]


def record(results: Sequence[tuple[Sending, PostReply]]) -> None:
    """Record the replies of these tries in one transaction."""
    replies = {sending.webhook_id: (sending, reply) for sending, reply in results}
    with transaction.atomic():
        lifecycle.lock({sending.order_id for sending, _reply in results})
        own = DispatchWebhook.objects.filter(pk__in=replies)
        rows = Dispatch.objects.filter(pk__in=list(own.values_list("dispatch_id", flat=True))).lock_in_order()
        webhooks = own.lock_in_order()
        visit = _Answers({row.pk: row for row in rows}, timezone.now())
        for webhook in webhooks:
            visit.note(webhook, *replies[webhook.pk])
        visit.tend_cases()
        queue.write(webhooks)
        visit.write()
        bulk.insert_rows(
            DispatchWebhookAttempt, [_attempt(one, replies[one.pk][1], visit.now) for one in webhooks]
        )


def _attempt(webhook: DispatchWebhook, reply: PostReply, now: datetime) -> DispatchWebhookAttempt:
    return DispatchWebhookAttempt(
        webhook=webhook,
        at=now,
        result=reply.result.value,
        http_status=reply.status,
        duration_ms=reply.duration_ms,
        words=reply.words,
    )


@dataclass(slots=True)
class _Answers:
    """What the replies of one batch have done to the locked instructions and messages."""

    rows: Mapping[int, Dispatch]
    now: datetime
    accepted: list[Dispatch] = field(default_factory=list)
    refused: list[Dispatch] = field(default_factory=list)
    given_up: list[DispatchWebhook] = field(default_factory=list)
    known: list[DispatchWebhook] = field(default_factory=list)

    def note(self, webhook: DispatchWebhook, sending: Sending, reply: PostReply) -> None:
        """Apply one reply. A message that was dropped while it was on its way keeps what became of it."""
        webhook.leased_until = None
        webhook.last_result, webhook.last_status = reply.result.value, reply.status
        webhook.last_words = reply.words
        is_created = webhook.event == WebhookEvent.CREATED
        if reply.result is WebhookResult.TAKEN:
            self._take(webhook)
        elif reply.result is WebhookResult.REFUSED and is_created:
            self._refuse(webhook, reply)
        else:
            if reply.result is WebhookResult.NOT_SENT and is_created:
                webhook.may_be_taken = sending.was_taken
            self._fail(webhook, reply)

    def _take(self, webhook: DispatchWebhook) -> None:
        if webhook.is_waiting:
            webhook.take(self.now)
        row = self.rows[webhook.dispatch_id]
        if webhook.event == WebhookEvent.CANCELLED:
            self.known.append(webhook)
        elif row.status in (DispatchStatus.WAITING, DispatchStatus.SENT):
            row.accept()
            self.accepted.append(row)

    def _refuse(self, webhook: DispatchWebhook, reply: PostReply) -> None:
        if webhook.is_waiting:
            webhook.refuse(self.now)
        webhook.may_be_taken = False
        row = self.rows[webhook.dispatch_id]
        if row.is_open:
            refuse(row, reply.code, reply.words)
            self.refused.append(row)

    def _fail(self, webhook: DispatchWebhook, reply: PostReply) -> None:
        if not webhook.is_waiting:
            return
        webhook.failures += 1
        if webhook.failures >= MOST_FAILURES:
            webhook.give_up(self.now)
            self.given_up.append(webhook)
        else:
            webhook.next_try_at = self.now + max(pause_after(webhook.failures), reply.pause)

    def tend_cases(self) -> None:
        """Open and resolve the cases of messages, before these are written."""
        trouble.open_given_up(self.given_up, self.now)
        trouble.resolve_cancel_cases(self.known)

    def write(self) -> None:
        """Write the instructions, and release what refused ones reserved."""
        answers.accepted(self.accepted, self.now)
        waited_for = [self.rows[one.dispatch_id] for one in self.given_up]
        for row in waited_for:
            row.answer_due_at = None
        reserve.write([*self.accepted, *(row for row in waited_for if row.is_open)])
        reserve.end(self.refused, at=self.now)
        follow_up(self.refused)
