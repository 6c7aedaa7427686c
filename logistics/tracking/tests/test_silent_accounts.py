"""An account that gives no usable answer is one case, however many parcels wait; a silent parcel is its own."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from logistics.cases import resolve
from logistics.models import CarrierAccount, Shipment, ShipmentException
from logistics.tests.builders import build_account, build_paid, build_shipment
from logistics.tracking.run import poll_tracking
from logistics.tracking.stalled import StalledCounts, find_stalled
from logistics.tracking.tests.fake_kuaidi100 import FakeKuaidi100, error_response
from orders.tests.builders import build_merchant
from ordersite.queue.models import OutboxEntry

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
MANY = 3000
URL = "http://127.0.0.1:9/query.do"


@pytest.fixture
def account() -> CarrierAccount:
    """An account made long ago, with nothing asked yet."""
    return made_long_ago(build_account(URL))


def made_long_ago(account: CarrierAccount) -> CarrierAccount:
    long_ago = timezone.now() - timedelta(days=100)
    CarrierAccount.objects.filter(pk=account.pk).update(changed_at=long_ago, silence_counts_from=long_ago)
    return account


def answered(account: CarrierAccount, at: datetime, problem: str = "") -> None:
    CarrierAccount.objects.filter(pk=account.pk).update(last_answer_at=at, last_problem=problem)


def parcels(number: int, model: Shipment, *, heard: datetime, prefix: str = "X") -> None:
    """Parcels like `model`, last heard of then, and polled in vain until now."""
    now = timezone.now()
    Shipment.objects.bulk_create(
        Shipment(
            order_id=model.order_id, merchant_id=model.merchant_id, warehouse_id=model.warehouse_id, carrier="yto",
            tracking_number=f"{prefix}{n:06d}", shipped_at=heard, created_at=heard, last_checked_at=heard,
            last_event_at=heard, tracking_status="in_transit", next_check_at=now,
            last_poll_at=now - HOUR, last_problem="busy: HTTP 502",
        )
        for n in range(number)
    )  # fmt: skip


def cases() -> list[tuple[str, str]]:
    return list(
        ShipmentException.objects.open().order_by("pk").values_list("kind", "shipment__tracking_number")
    )


def test_a_day_without_the_aggregator_is_one_case(account: CarrierAccount) -> None:
    now = timezone.now()
    since = now - 24 * HOUR
    model = build_shipment()
    parcels(MANY, model, heard=since - HOUR)
    answered(account, since, "busy: HTTP 502")

    with CaptureQueriesContext(connection) as queries:
        assert find_stalled(now) == StalledCounts(account_silent=1)

    assert len(queries) < 30
    case = ShipmentException.objects.get()
    assert (case.kind, case.account, case.shipment, case.order) == ("account_silent", account, None, None)
    assert case.detail == {
        "parcels": MANY + 1,
        "silent_since": since.isoformat(),
        "problem": "busy: HTTP 502",
    }
    event = OutboxEntry.objects.get(name="shipment.exception_raised")
    assert (event.subject_id, event.payload) == (case.pk, {"kind": "account_silent", "account": account.pk})


@pytest.mark.parametrize("hours", range(1, 27, 3))
def test_at_no_hour_of_the_outage_a_parcel_becomes_a_case(account: CarrierAccount, hours: int) -> None:
    """The parcels that were next to be polled when it began are a day old first, two hours before the account is."""
    began = timezone.now() - hours * HOUR
    model = build_shipment()
    Shipment.objects.all().update(last_checked_at=began, last_event_at=began)
    parcels(5, model, heard=began - 2 * HOUR)
    answered(account, began)

    assert find_stalled() == StalledCounts(account_silent=int(hours > 12))


def test_one_silent_parcel_of_a_healthy_account_is_its_own_case(account: CarrierAccount) -> None:
    now = timezone.now()
    other = build_merchant("other")
    healthy = made_long_ago(build_account(URL, merchant=other, slug="k200"))
    parcels(1000, build_shipment(), heard=now - 25 * HOUR)
    answered(account, now - 24 * HOUR)
    heard_of = build_shipment(order=build_paid(merchant=other))
    parcels(1, heard_of, heard=now - 25 * HOUR, prefix="SILENT")
    answered(healthy, now)

    assert find_stalled(now) == StalledCounts(account_silent=1, carrier_silent=1)

    assert cases() == [("account_silent", None), ("carrier_silent", "SILENT000000")]
    assert find_stalled(now) == StalledCounts()


def test_many_silent_parcels_of_a_healthy_account_are_a_case_each(account: CarrierAccount) -> None:
    now = timezone.now()
    parcels(600, build_shipment(), heard=now - 25 * HOUR)
    answered(account, now)

    assert find_stalled(now) == StalledCounts(carrier_silent=600)


def test_case_ends_when_the_account_answers_and_parcels_get_a_day(account: CarrierAccount) -> None:
    now = timezone.now()
    parcels(3, build_shipment(), heard=now - 30 * HOUR)
    Shipment.objects.filter(tracking_number="X000000").update(shipped_at=now - 11 * timedelta(days=1))
    answered(account, now - 29 * HOUR)
    assert find_stalled(now) == StalledCounts(account_silent=1)

    answered(account, now + timedelta(minutes=1))
    later = now + timedelta(minutes=15)

    assert find_stalled(later) == StalledCounts(resolved=1)
    case = ShipmentException.objects.get()
    assert (case.resolution, case.resolved_by) == ("the account answers again", None)

    # Two parcels are heard of again, the third stays silent.
    Shipment.objects.exclude(tracking_number="X000000").update(
        last_checked_at=later + HOUR, tracking_status="in_transit"
    )
    answered(account, later + 23 * HOUR)
    assert find_stalled(later + 23 * HOUR) == StalledCounts()
    answered(account, later + 24 * HOUR)
    assert find_stalled(later + 24 * HOUR + HOUR / 2) == StalledCounts(not_signed=1, carrier_silent=1)
    assert {number for _kind, number in cases()} == {"X000000"}


def test_case_follows_the_number_of_parcels_and_the_problem(account: CarrierAccount) -> None:
    now = timezone.now()
    parcels(3, build_shipment(), heard=now - 30 * HOUR)
    answered(account, now - 29 * HOUR, "busy: HTTP 502")
    find_stalled(now)
    parcels(2, Shipment.objects.all()[0], heard=now - HOUR, prefix="Y")
    answered(account, now - 29 * HOUR, "out_of_funds")

    assert find_stalled(now) == StalledCounts()

    detail = ShipmentException.objects.get().detail
    assert (detail["parcels"], detail["problem"]) == (6, "out_of_funds")


def test_what_a_person_resolved_comes_again_after_a_day(account: CarrierAccount) -> None:
    now = timezone.now()
    parcels(3, build_shipment(), heard=now - 30 * HOUR)
    answered(account, now - 29 * HOUR)
    find_stalled(now)
    resolve(ShipmentException.objects.get(), user=User.objects.create_user("anna"), note="已联系快递100")

    assert find_stalled(now + HOUR) == StalledCounts()
    assert find_stalled(now + 26 * HOUR) == StalledCounts(account_silent=1)


@pytest.mark.parametrize(("is_active", "problem"), [(True, "not_asked"), (False, "switched_off")])
def test_account_that_nobody_asks_is_one_case(account: CarrierAccount, is_active: bool, problem: str) -> None:
    now = timezone.now()
    parcels(3, build_shipment(), heard=now - 30 * HOUR)
    Shipment.objects.update(last_poll_at=now - 30 * HOUR, next_check_at=now - 28 * HOUR)
    answered(account, now - 29 * HOUR)
    CarrierAccount.objects.update(is_active=is_active)

    assert find_stalled(now) == StalledCounts(account_silent=1)
    assert ShipmentException.objects.get().detail["problem"] == problem


def test_another_account_takes_the_parcels_over(account: CarrierAccount) -> None:
    now = timezone.now()
    parcels(3, build_shipment(), heard=now - 30 * HOUR)
    answered(account, now - 29 * HOUR)
    CarrierAccount.objects.update(is_active=False)
    find_stalled(now)
    build_account(URL, slug="k200")

    assert find_stalled(now) == StalledCounts(resolved=1)
    assert ShipmentException.objects.get().resolution == "no parcel waits for this account any more"


def test_refused_query_is_an_answer(account: CarrierAccount) -> None:
    """A parcel that the account refuses is asked for again after a day only; the account is not silent meanwhile."""
    now = timezone.now()
    build_shipment()
    Shipment.objects.update(
        created_at=now - 23 * HOUR,
        last_poll_at=now - 22 * HOUR,
        next_check_at=now + 2 * HOUR,
        last_problem="phone_needed",
    )
    answered(account, now - 22 * HOUR)

    assert find_stalled(now) == StalledCounts()


@pytest.mark.parametrize(
    ("code", "problem", "has_answered"),
    [("", "", True), ("500", "", True), ("408", "", True), ("502", "busy: 502 不行", False),
     ("601", "out_of_funds: 601 不行", False)],
    ids=["route", "nothing_found", "phone_needed", "busy", "out_of_funds"],
)  # fmt: skip
def test_a_poll_says_whether_the_account_answers(
    carrier: FakeKuaidi100, code: str, problem: str, has_answered: bool
) -> None:
    build_account(carrier.url)
    parcel = build_shipment()
    if code:
        carrier.responses[parcel.tracking_number] = error_response(code)

    poll_tracking()

    account = CarrierAccount.objects.get()
    assert (account.last_answer_at is not None, account.last_problem) == (has_answered, problem)
