"""Kill the senders at any moment, while vendors fail before and after they took a message and events come fifty times."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from orders.models import Order
from orders.tests.builders import build_order_in
from orders.tests.web import environment
from ordersite.messaging.handlers import tell_of_orders
from ordersite.messaging.models import BuyerMessage, MessageAccount, MessageEvent
from ordersite.messaging.sending.doubts import MOST_COPIES
from ordersite.messaging.tests.builders import message_of, set_channels
from ordersite.messaging.tests.vendors import add_account
from ordersite.queue.relay import Delivered
from ordersite.relay import run_relay
from ordersite.tests.parallel import in_thread
from sandbox.tests.running import Running

pytestmark = [pytest.mark.kill, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

WECHAT, SMS = "wechat_template.send", "aliyun_sms.send"
# Of a follower, of one who does not follow, of a buyer without WeChat: the channel that works first.
KINDS = {"follower": "wechat_template", "stranger": "aliyun_sms", "phone": "aliyun_sms"}
# Before the vendor works, and after it: a message that was taken, and whose answer is lost.
FAULTS = ("status_500", "drop", "bad_gateway", "timeout", "throttled")
# A message has six tries over WeChat; so often, at most, it is disturbed there.
WECHAT_TROUBLES = 4
SENDERS, DELIVERIES, LONGEST_LIFE = 3, 50, 0.5
MOST_CALM_ROUNDS = 20


class MortalSender:
    """A process that forks one sender after the other, each killed after a while."""

    def __init__(self, rng: random.Random, url: str) -> None:
        self._rng, self._url = rng, url
        self.deaths = 0
        own = {**environment(), "OUTGOING_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ordersite.messaging.tests.dying"],
            cwd=settings.BASE_DIR, env=own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def live(self, *, is_killed: bool) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{self._url}\n")
        stdin.flush()
        pid = int(stdout.readline())
        timer = threading.Timer(self._rng.uniform(0, LONGEST_LIFE), _kill, [pid])
        if is_killed:
            timer.start()
        status = int(stdout.readline())
        timer.cancel()
        assert os.WIFSIGNALED(status) or status == 0
        self.deaths += os.WIFSIGNALED(status)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@dataclass(slots=True)
class DyingShop:
    """A shop with WeChat, then SMS, its vendors in the sandbox, and the senders that die."""

    box: Running
    senders: Sequence[MortalSender]
    rng: random.Random
    troubles: int = 0
    found: Counter[str] = field(default_factory=Counter)

    def one_round(self, *, is_killed: bool) -> None:
        """All senders at once; afterwards the leases of the dead have run out."""
        self.box.control("faults", "DELETE")
        if is_killed:
            self._trouble()
        problems = list[BaseException]()
        for thread in [in_thread(partial(one.live, is_killed=is_killed), problems) for one in self.senders]:
            thread.join()
        assert problems == []
        now = timezone.now()
        BuyerMessage.objects.waiting().update(next_try_at=now, leased_until=None)
        MessageAccount.objects.update(next_call_at=None, leased_until=None)

    def _trouble(self) -> None:
        for target in (WECHAT, SMS):
            self._fault(target, "delay", value=self.rng.uniform(0.02, 0.1))
        self._fault(SMS, self.rng.choice(FAULTS), times=self.rng.randint(1, 4), value=0.2)
        if self.troubles < WECHAT_TROUBLES:
            self.troubles += 1
            self._fault(
                WECHAT, self.rng.choice((*FAULTS, "wrong_token")), times=self.rng.randint(4, 16), value=0.2
            )

    def _fault(self, target: str, name: str, **more: object) -> None:
        own: dict[str, Any] = {"times": None, **more}
        assert self.box.control("faults", target=target, fault=name, **own).status == 201


@pytest.fixture
def shop(box: Running, tmp_path: Path) -> Iterator[DyingShop]:
    for channel in ("wechat_template", "aliyun_sms"):
        add_account(box, tmp_path, channel)
    set_channels("wechat_template", "aliyun_sms", most_a_day=50)
    with ExitStack() as stack:
        senders = [
            stack.enter_context(closing(MortalSender(random.Random(20261130 + number), f"{box.url}/healthz")))
            for number in range(SENDERS)
        ]
        yield DyingShop(box, senders, random.Random(20261130))


def build_paid(box: Running, number: int) -> Order:
    """A paid order; the kind of its buyer goes by its number."""
    kind = list(KINDS)[number % len(KINDS)]
    order = build_order_in("paid")
    order.buyer.openid = "" if kind == "phone" else f"o-{kind}-{number:04d}"
    order.buyer.phone = order.buyer_phone = f"139{number:08d}"
    order.buyer.save()
    order.save(update_fields=["buyer_phone"])
    if kind == "stranger":
        assert box.control("follower", openid=order.buyer.openid, is_following=False).status == 200
    return order


def deliver(orders: Sequence[Order]) -> None:
    """Deliver the events fifty times at once, and as the relay does."""
    events = [Delivered(one.pk, "order.paid", one.pk, one.created_at, {}) for one in orders]
    problems = list[BaseException]()
    work = partial(tell_of_orders, MessageEvent.PAID, events)
    for thread in [in_thread(work, problems) for _ in range(DELIVERIES)]:
        thread.join()
    run_relay()
    assert problems == []
    assert BuyerMessage.objects.filter(event="order.paid").count() == len(orders)


def check(shop: DyingShop, order: Order, channel: str) -> None:
    """What the buyer has got, against what the message's row says."""
    message, buyer = message_of(order), order.buyer
    over_wechat = shop.box.inbox(buyer.openid, "wechat_template") if buyer.openid else []
    over_sms = shop.box.inbox(order.buyer_phone, "aliyun_sms")
    copies = len(over_wechat) + len(over_sms)
    is_left_to_person = message.status == "failed" and message.is_uncertain
    assert message.status == "sent" or is_left_to_person, (message.status, message.reason)
    assert copies or is_left_to_person, "lost"
    assert copies < 2 or message.may_be_twice, "twice, and nobody knows"
    assert copies <= MOST_COPIES
    if channel == "wechat_template":
        assert (len(over_wechat), len(over_sms)) == (1, 0)
        assert (message.status, message.may_be_twice) == ("sent", False)
        shop.found["taken again under its key"] += over_wechat[0]["copies"] > 1
    else:
        assert over_wechat == []
        shop.found["twice"] += copies > 1
        shop.found["may be twice"] += message.may_be_twice
        shop.found["left to a person"] += is_left_to_person
        shop.found["left to a person, not arrived"] += copies == 0
    shop.found[channel] += 1


def run_shop(shop: DyingShop, count: int, *, most_rounds: int) -> Counter[str]:
    """Announce so many paid orders under deaths and faults; count what their buyers got."""
    orders = [build_paid(shop.box, number) for number in range(count)]
    deliver(orders)
    rounds = 0
    while BuyerMessage.objects.waiting().exists() and rounds < most_rounds:
        rounds += 1
        shop.one_round(is_killed=True)
    for _calm in range(MOST_CALM_ROUNDS):
        if BuyerMessage.objects.waiting().exists():
            shop.one_round(is_killed=False)

    left = list(BuyerMessage.objects.waiting().values("status", "reason", "attempts", "failures", "channels"))
    assert left == []
    for number, order in enumerate(orders):
        check(shop, order, list(KINDS.values())[number % len(KINDS)])
    shop.found["rounds"], shop.found["deaths"] = rounds, sum(one.deaths for one in shop.senders)
    return shop.found


def test_no_message_is_lost_or_doubled_in_secret(shop: DyingShop) -> None:
    found = run_shop(shop, 15, most_rounds=10)

    assert found["deaths"] >= 3, found


@pytest.mark.long
def test_no_message_of_300_is_lost_or_doubled_in_secret(shop: DyingShop) -> None:
    found = run_shop(shop, 300, most_rounds=80)

    assert found["deaths"] >= 20, found
    assert found["taken again under its key"], found
