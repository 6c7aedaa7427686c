"""A sale to honest buyers: by the strategies of a new installation nobody is refused and no order is held."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from orders.intake.drafts import AddressDraft, BuyerDraft
from orders.risk import gate, snapshot
from orders.risk.attempt import Attempt
from orders.risk.tests.attempts import build_attempt
from orders.risk.tests.test_windows import use_redis
from orders.tests.builders import build_merchant

pytestmark = pytest.mark.django_db
MINUTES = timedelta(minutes=5)
# On a busy machine the test must not run into the short time limits: what is not counted is not judged.
PATIENT = {"socket_timeout": 5, "socket_connect_timeout": 5}


@dataclass(frozen=True, slots=True)
class SaleBuyer:
    """One buyer of the sale, and what they share with others."""

    name: str
    phone: str
    street: str
    device: str
    ip: str

    def attempt(self, at: datetime, merchant_id: int) -> Attempt:
        found = build_attempt(self.name, buyer=self.name, at=at, merchant_id=merchant_id)
        draft = replace(
            found.draft,
            buyer=BuyerDraft(id=self.name, name="王小明", phone=self.phone),
            address=AddressDraft("广东省", "深圳市", "南山区", self.street),
            device_id=self.device,
            client_ip=self.ip,
        )
        return replace(found, draft=draft)


def single(number: int) -> SaleBuyer:
    """Somebody with a telephone of their own; a hundred of them share their carrier's address."""
    ip = f"117.136.{number // 100 // 250}.{number // 100 % 250}"
    return SaleBuyer(f"s{number}", f"{13_000_000_000 + number}", f"{number} 号", f"ds{number}", ip)


def relative(number: int) -> SaleBuyer:
    """One of four at home: one line, one door, one tablet, and the parents' two phone numbers."""
    family = number // 4
    phone = f"{15_000_000_000 + number // 2}"
    return SaleBuyer(
        f"f{number}", phone, f"家 {family} 号", f"df{family}", f"2409:8a00:{family:x}::{number % 4 + 1:x}"
    )


def colleague(number: int) -> SaleBuyer:
    """One of a company that has its parcels sent to the office and goes out by one address."""
    phone = f"{18_000_000_000 + number}"
    return SaleBuyer(f"c{number}", phone, "科技园 1 号", f"dc{number}", "183.14.1.1")


def sale(buyers: int, merchant_id: int) -> Iterator[Attempt]:
    """All buy one product within five minutes: a fifth are families, a tenth one company; in any order."""
    people = [
        *(single(number) for number in range(buyers * 7 // 10)),
        *(relative(number) for number in range(buyers * 2 // 10)),
        *(colleague(number) for number in range(buyers // 10)),
    ]
    assert len({person.name for person in people}) == buyers
    random.Random(11).shuffle(people)
    begin = timezone.now()
    for number, person in enumerate(people):
        yield person.attempt(begin + MINUTES * number / buyers, merchant_id)


def embed(settings: Any) -> None:
    """Count in the database, as the embedded default does."""
    local = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    settings.CACHES = {**settings.CACHES, "default": local}


def judge_all(buyers: int) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """Count what the layers would have done to the buyers, and which strategies noted something and how."""
    snapshot.forget()
    harmed: Counter[str] = Counter()
    noted: Counter[tuple[str, str]] = Counter()
    for attempt in sale(buyers, build_merchant().pk):
        passage = gate.enter(attempt)
        harmed += Counter(refused=passage.refusal is not None, held=passage.grounds is not None)
        noted.update((note.strategy, str(note.outcome)) for note in passage.judged.notes)
    return +harmed, noted


@pytest.mark.postgres
@pytest.mark.redis
def test_ten_thousand_buyers_meet_nothing(settings: Any) -> None:
    """The crowded addresses are noted, so something was counted; nothing more happens."""
    use_redis(settings)
    settings.CACHES["default"]["OPTIONS"] = PATIENT
    harmed, noted = judge_all(10_000)
    assert harmed == {}
    assert noted == {("address", "logged"): 970, ("ip", "logged"): 4450}


def test_five_hundred_without_redis(settings: Any) -> None:
    embed(settings)
    harmed, noted = judge_all(500)
    assert harmed == {}
    assert noted == {("address", "logged"): 20, ("ip", "logged"): 150}


def test_one_device_of_many_accounts_is_held(settings: Any) -> None:
    """The sale of a brusher, by the same layers: the sixth other account on the device is one too many."""
    embed(settings)
    snapshot.forget()
    merchant_id, begin = build_merchant().pk, timezone.now()
    people = (replace(single(number), device="one") for number in range(20))
    found = [gate.enter(person.attempt(begin, merchant_id)).grounds is not None for person in people]
    assert (found.index(True), sum(found)) == (6, 14)
