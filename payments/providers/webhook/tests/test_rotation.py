"""A webhook account's secret changes while notifications arrive: no genuine one is rejected."""

from __future__ import annotations

import base64
import itertools
import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook as Signer

from payments.providers.errors import Rejected
from payments.providers.types import AccountKeys, RawNotification
from payments.providers.webhook.adapter import Webhook

OLD, NEW, NEWER = ("whsec_" + base64.b64encode(letter * 32).decode() for letter in (b"o", b"n", b"m"))
BODY = json.dumps(
    {
        "type": "payment.succeeded",
        "timestamp": "2026-11-22T06:02:10Z",
        "data": {"reference": "R1", "amount": "1.00"},
    }
)
CALLS_PER_STEP = 40
Held = dict[str, str | list[str]]
# The account's secrets at each step, and the secrets that the sender may sign with meanwhile.
STEPS: tuple[tuple[Held, tuple[str, ...]], ...] = (
    ({"secret": OLD}, (OLD,)),
    ({"secret": NEW, "previous_secrets": [OLD]}, (OLD, NEW)),
    ({"secret": NEW}, (NEW,)),
    ({"secret": NEWER, "previous_secrets": [NEW, OLD]}, (NEW, NEWER)),
    ({"secret": NEWER}, (NEWER,)),
)


def keys(secrets: Held, version: int) -> AccountKeys:
    return AccountKeys("webhook", "demo-webhook", {}, secrets, str(version))


def signed_by(*secrets: str) -> RawNotification:
    """A call of the independent signer; several secrets make several signatures in one header."""
    now = datetime.now(UTC)
    signatures = " ".join(Signer(secret).sign("msg_1", now, BODY) for secret in secrets)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signatures,
    }
    return RawNotification(headers, BODY.encode(), now)


def is_accepted(call: RawNotification, held: AccountKeys) -> bool:
    try:
        return Webhook().verify(call, held).reference == "R1"
    except Rejected:
        return False


def test_each_step_accepts_exactly_its_secrets() -> None:
    for number, (held, _senders) in enumerate(STEPS):
        known = [held["secret"], *held.get("previous_secrets", [])]
        for secret in (OLD, NEW, NEWER):
            assert is_accepted(signed_by(secret), keys(held, number)) == (secret in known)


def test_sender_that_signs_with_both() -> None:
    both = signed_by(OLD, NEW)
    assert [is_accepted(both, keys(held, 0)) for held, _senders in STEPS[:3]] == [True, True, True]


def test_change_under_load_rejects_nothing() -> None:
    """Threads verify while the account changes; without previous_secrets the same load does lose calls."""
    with_previous = [held for held, _senders in STEPS]
    without: list[Held] = [{"secret": held["secret"]} for held in with_previous]
    assert _lost(with_previous) == 0
    assert _lost(without) > 0


def _lost(held: Sequence[Held]) -> int:
    current, lost, done = [0], itertools.count(), threading.Event()
    checked = [itertools.count() for _step in STEPS]
    seen = [0 for _step in STEPS]

    def send() -> None:
        while not done.is_set():
            step = current[0]
            for secret in STEPS[step][1]:
                call = signed_by(secret)
                # The account may have moved on since the call was signed: then this one proves nothing.
                if current[0] == step and not is_accepted(call, keys(held[step], step)):
                    next(lost)
            seen[step] = next(checked[step])

    threads = [threading.Thread(target=send) for _number in range(4)]
    for thread in threads:
        thread.start()
    for step in range(len(STEPS)):
        current[0] = step
        while seen[step] < CALLS_PER_STEP:
            done.wait(0.001)
    done.set()
    for thread in threads:
        thread.join()
    return next(lost)
