"""A message in doubt: it may have arrived, and nobody knows. It goes out again, marked, or waits for a person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from ordersite.messaging.models import (
    MessageAccount,
    MessageAttempt,
)
from ordersite.messaging.senders.types import SendError, Sent
from ordersite.messaging.sending.account_run import throttle_of
from ordersite.messaging.sending.call import Called
from ordersite.messaging.sending.doubts import MOST_COPIES
from ordersite.messaging.sending.judge import judge
from ordersite.messaging.sending.record import REPORT_WITHIN, record
from ordersite.messaging.tests.builders import (
    build_announced,
    message_of,
    results,
    send,
    send_again,
    state_of,
)
from ordersite.messaging.tests.scripted import ScriptedSender

pytestmark = pytest.mark.django_db


def test_what_may_have_arrived_goes_out_again(sms: ScriptedSender, mail: ScriptedSender) -> None:
    order = build_announced("pending")
    sms.answers.append(SendError("unknown", "time-out"))

    send()
    message = message_of(order, "order.created")
    assert (message.status, message.reason, message.is_uncertain) == ("awaiting_retry", "doubt", True)
    assert not message.may_be_twice
    assert message.next_try_at is not None
    assert message.next_try_at > timezone.now() + REPORT_WITHIN - timedelta(seconds=30)
    send_again()

    message.refresh_from_db()
    assert (message.status, message.is_uncertain, message.may_be_twice) == ("sent", False, True)
    assert (len(sms.seen), len(mail.seen)) == (2, 0)


def test_the_third_doubt_waits_for_a_person(sms: ScriptedSender, mail: ScriptedSender) -> None:
    order = build_announced("pending")
    sms.answers.extend([SendError("unknown", "time-out")] * MOST_COPIES)

    for _ in range(MOST_COPIES + 1):
        send_again()

    message = message_of(order, "order.created")
    assert (message.status, message.reason, message.is_uncertain) == ("failed", "unknown", True)
    assert message.may_be_twice
    assert (len(sms.seen), len(mail.seen)) == (MOST_COPIES, 0)


def test_a_doubt_that_is_refused_goes_on(sms: ScriptedSender, mail: ScriptedSender) -> None:
    order = build_announced("pending")
    sms.answers.extend([SendError("unknown", "time-out"), SendError("blocked")])

    send()
    send_again()

    message = message_of(order, "order.created")
    assert (message.status, message.may_be_twice) == ("sent", True)
    assert (len(sms.seen), len(mail.seen)) == (2, 1)


def test_a_vendor_that_never_answers_gives_way(sms: ScriptedSender, mail: ScriptedSender) -> None:
    sms.has_message_key, sms.message_key_lasts = True, timedelta(minutes=10)
    order = build_announced("pending")
    sms.answers.append(SendError("unknown", "time-out"))
    send()
    MessageAttempt.objects.update(at=timezone.now() - timedelta(minutes=11))

    send_again()

    message = message_of(order, "order.created")
    assert (message.status, message.may_be_twice) == ("sent", True)
    assert (len(sms.seen), len(mail.seen)) == (1, 1)


def test_a_vendor_with_a_key_gets_it_again(sms: ScriptedSender, mail: ScriptedSender) -> None:
    sms.has_message_key = True
    order = build_announced("pending")
    sms.answers.append(SendError("unknown", "time-out"))

    send()
    send_again()

    assert state_of(order, "order.created") == ("sent", "")
    assert len({one.key for one in sms.seen}) == 1
    assert (len(sms.seen), len(mail.seen)) == (2, 0)
    assert message_of(order, "order.created").is_uncertain is False


@pytest.mark.parametrize("has_key", [True, False])
def test_a_process_died_with_the_attempt(sms: ScriptedSender, has_key: bool) -> None:
    sms.has_message_key = has_key
    order = build_announced("pending")
    account = MessageAccount.objects.get()
    throttle_of(sms).take(account)
    message = message_of(order, "order.created")
    judge(account, sms, [message.pk])
    assert message_of(order, "order.created").status == "in_flight"

    send_again()

    message.refresh_from_db()
    assert (len(sms.seen), message.status) == (1, "sent")
    assert message.may_be_twice is not has_key
    assert results()[0] == ("sms_one", "unknown")


def test_a_late_answer_ends_the_doubt(sms: ScriptedSender) -> None:
    order = build_announced("pending")
    account = MessageAccount.objects.get()
    [outgoing] = judge(account, sms, [message_of(order, "order.created").pk])
    sms.answers.extend([SendError("unknown", "time-out")] * 2)
    send_again()  # another process has taken it over
    send_again()
    assert state_of(order, "order.created") == ("failed", "unknown")

    record(account, sms, [(outgoing, Called(Sent("V-1"), None))])

    assert state_of(order, "order.created") == ("sent", "")
    assert message_of(order, "order.created").is_uncertain is False
