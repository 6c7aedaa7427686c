"""Waybills in doubt: found or ordered again under the same reference, cancelled where they must not leave."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from logistics.carriers import registry
from logistics.models import Shipment, ShipmentException, WaybillOrder, WaybillStatus
from logistics.tests.builders import build_paid, confirm, parcel_of
from logistics.waybills.call import WaybillTask, call
from logistics.waybills.record import LONGEST_BACKOFF, backoff, record
from logistics.waybills.reserve import new_reference
from logistics.waybills.resolve import resolve_waybills, task_of, want_cancelled
from logistics.waybills.tests import small_carrier
from logistics.waybills.tests.builders import build_reserved, build_small_account, make_due
from logistics.waybills.tests.small_carrier import NAME, ForgetfulConnector, SmallCarrier
from orders.changes import Hold
from orders.history.lines import Actor
from orders.models import Order
from orders.tests.builders import apply_changes, move
from ordersite.lib.errors import DomainError

pytestmark = pytest.mark.django_db

Kind = ShipmentException.Kind


def open_kinds() -> list[str]:
    return list(ShipmentException.objects.open().order_by("pk").values_list("kind", flat=True))


def hold(order: Order) -> None:
    apply_changes(Hold(order.pk, Actor("staff", "x"), "risk"))


def status_of(waybill: WaybillOrder) -> str:
    return str(WaybillOrder.objects.get(pk=waybill.pk).status)


def test_a_process_that_died_before_the_call(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    waybill = build_reserved(build_paid())

    assert resolve_waybills() == 2  # it is ordered, then its label is fetched

    assert carrier.calls == ["find", "create", "label"]
    assert list(carrier.numbers) == [waybill.reference]
    assert Shipment.objects.get().pk == waybill.parcel_id


def test_a_process_that_died_after_the_call(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    waybill = build_reserved(build_paid())
    task = task_of(WaybillOrder.objects.get(pk=waybill.pk))
    assert isinstance(task, WaybillTask)
    call(task)

    resolve_waybills()

    assert carrier.made == 1
    assert carrier.calls.count("create") == 1
    assert status_of(waybill) == WaybillStatus.MADE


def test_the_same_answer_twice_changes_nothing(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    waybill = WaybillOrder.objects.get(pk=build_reserved(build_paid()).pk)
    task = task_of(waybill)
    assert isinstance(task, WaybillTask)
    reply = call(task)

    record(waybill, reply)
    record(waybill, reply)

    assert Shipment.objects.count() == 1
    assert open_kinds() == []


def test_a_carrier_without_queries_gets_the_same_reference(
    carrier: SmallCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    connectors: Any = registry.CARRIERS
    monkeypatch.setitem(connectors, NAME, ForgetfulConnector())
    build_small_account(carrier)
    waybill = build_reserved(build_paid())
    carrier.faults["create"] = ["lost"]
    resolve_waybills()
    make_due()

    resolve_waybills()

    assert (carrier.calls.count("create"), carrier.made) == (2, 1)
    assert status_of(waybill) == WaybillStatus.MADE


def test_a_bad_key_says_nothing_about_an_earlier_try(
    carrier: SmallCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first order was made, its answer was lost, then the keys went bad: the goods stay reserved."""
    connectors: Any = registry.CARRIERS
    monkeypatch.setitem(connectors, NAME, ForgetfulConnector())
    build_small_account(carrier)
    waybill = build_reserved(build_paid())
    carrier.faults["create"] = ["lost", "misconfigured"]
    resolve_waybills()
    make_due()

    resolve_waybills()

    assert (carrier.calls.count("create"), carrier.made) == (2, 1)
    assert status_of(waybill) == WaybillStatus.UNKNOWN


def test_such_a_carrier_is_left_alone_once_it_may_have_forgotten(
    carrier: SmallCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    connectors: Any = registry.CARRIERS
    monkeypatch.setitem(connectors, NAME, ForgetfulConnector())
    build_small_account(carrier)
    waybill = build_reserved(build_paid())
    WaybillOrder.objects.update(created_at=timezone.now() - timedelta(hours=40))

    resolve_waybills()

    assert carrier.calls == []
    assert status_of(waybill) == WaybillStatus.UNKNOWN
    assert open_kinds() == [Kind.WAYBILL_UNKNOWN]


def test_it_is_tried_again_at_doubling_intervals_and_becomes_a_case(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    waybill = build_reserved(build_paid())
    carrier.faults["find"] = ["down"] * 3
    resolve_waybills()
    first = WaybillOrder.objects.get(pk=waybill.pk)
    assert (first.status, first.failures) == (WaybillStatus.UNKNOWN, 1)
    assert resolve_waybills() == 0
    assert open_kinds() == []
    WaybillOrder.objects.update(created_at=timezone.now() - timedelta(hours=1))
    make_due()

    resolve_waybills()

    assert open_kinds() == [Kind.WAYBILL_UNKNOWN]
    assert [backoff(n).total_seconds() for n in (0, 1, 2)] == [5, 10, 20]
    assert backoff(50) == LONGEST_BACKOFF
    make_due()
    resolve_waybills()
    make_due()
    resolve_waybills()
    assert status_of(waybill) == WaybillStatus.MADE
    assert open_kinds() == []


def test_a_refusal_in_the_background_is_a_case(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    order = build_paid()
    waybill = build_reserved(order)
    carrier.faults["create"] = ["月结卡号冻结"]

    resolve_waybills()

    assert status_of(waybill) == WaybillStatus.REFUSED
    assert open_kinds() == [Kind.WAYBILL_REFUSED]
    assert confirm(order.merchant, parcel_of(order))[0].ok


def test_a_waybill_of_an_order_held_meanwhile_is_cancelled(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    order = build_paid()
    waybill = WaybillOrder.objects.get(pk=build_reserved(order).pk)
    task = task_of(waybill)
    assert isinstance(task, WaybillTask)
    reply = call(task)
    hold(order)

    record(waybill, reply)
    resolve_waybills()

    assert carrier.wanted_numbers == set()
    row = WaybillOrder.objects.get(pk=waybill.pk)
    assert (row.status, row.cancel_code) == (WaybillStatus.CANCELLED, "held")
    assert not Shipment.objects.exists()
    assert open_kinds() == []


@pytest.mark.parametrize("is_there", [True, False])
def test_a_held_orders_waybill_in_doubt_is_not_ordered(carrier: SmallCarrier, is_there: bool) -> None:
    build_small_account(carrier)
    order = build_paid()
    waybill = build_reserved(order)
    if is_there:
        carrier.numbers[waybill.reference] = "DP1"
    hold(order)

    resolve_waybills()
    resolve_waybills()

    assert "create" not in carrier.calls
    assert carrier.cancelled == ({"DP1"} if is_there else set())
    assert not Shipment.objects.exists()
    assert status_of(waybill) == WaybillStatus.CANCELLED


def test_what_cannot_be_cancelled_is_a_case(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    order = build_paid()
    waybill = build_reserved(order)
    carrier.numbers[waybill.reference] = "DP1"
    carrier.faults["cancel"] = ["已揽收"]
    move(order, "refund", "refund_confirmed")

    resolve_waybills()

    assert status_of(waybill) == WaybillStatus.UNKNOWN
    assert open_kinds() == [Kind.WAYBILL_UNWANTED]
    want_cancelled(waybill.pk, is_settled_by_hand=True)
    assert status_of(waybill) == WaybillStatus.CANCELLED


def test_a_number_of_another_parcel_is_not_cancelled(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    other = build_paid()
    confirm(other.merchant, parcel_of(other, number="DP77777777", carrier=NAME))
    waybill = build_reserved(build_paid())
    carrier.numbers[waybill.reference] = "DP77777777"

    resolve_waybills()

    assert carrier.cancelled == set()
    assert open_kinds() == [Kind.WAYBILL_UNWANTED]
    assert Shipment.objects.count() == 1


def test_staff_cancel_what_is_in_doubt(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    order = build_paid()
    waybill = build_reserved(order)

    want_cancelled(waybill.pk)
    resolve_waybills()

    assert (carrier.calls, status_of(waybill)) == (["find"], WaybillStatus.CANCELLED)
    assert confirm(order.merchant, parcel_of(order))[0].ok
    with pytest.raises(DomainError, match="waybill_settled"):
        want_cancelled(waybill.pk)


def test_an_answer_that_comes_after_the_end_is_cancelled(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    waybill = WaybillOrder.objects.get(pk=build_reserved(build_paid()).pk)
    task = task_of(waybill)
    assert isinstance(task, WaybillTask)
    want_cancelled(waybill.pk)
    resolve_waybills()

    record(waybill, call(task))
    resolve_waybills()

    assert carrier.wanted_numbers == set()
    assert status_of(waybill) == WaybillStatus.CANCELLED
    assert not Shipment.objects.exists()


def test_a_label_is_fetched_again(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    waybill = build_reserved(build_paid())
    carrier.faults["label"] = ["down"]
    resolve_waybills()
    assert not WaybillOrder.objects.get(pk=waybill.pk).has_label
    make_due()

    resolve_waybills()

    assert WaybillOrder.objects.get(pk=waybill.pk).has_label
    assert WaybillOrder.objects.get(pk=waybill.pk).next_try_at is None


def test_references_are_alike_in_their_prefix_only(settings: Any) -> None:
    one, two = new_reference(), new_reference()
    settings.PUBLIC_BASE_URL = "https://other.example"

    assert one[:4] == two[:4] != new_reference()[:4]
    assert one != two
    assert len(one) == 24


def test_a_rolled_back_record_leaves_nothing(carrier: SmallCarrier) -> None:
    build_small_account(carrier)
    waybill = WaybillOrder.objects.get(pk=build_reserved(build_paid()).pk)
    task = task_of(waybill)
    assert isinstance(task, WaybillTask)
    reply = call(task)

    with transaction.atomic():
        record(waybill, reply)
        transaction.set_rollback(True)

    assert not Shipment.objects.exists()
    assert status_of(waybill) == WaybillStatus.REQUESTED


def test_a_slow_carrier_delays_no_other(carrier: SmallCarrier) -> None:
    """It answers once the other one has made all of its waybills, more than there are threads."""
    build_small_account(carrier)
    for _order in range(10):
        build_reserved(build_paid())
    with small_carrier.running() as slow:
        build_small_account(slow, slug="slow")
        for _order in range(6):
            build_reserved(build_paid(), account="slow")
        others_made, all_made = list[int](), threading.Event()
        carrier.at_step = lambda step, _pid: all_made.set() if step == "made" and carrier.made == 10 else None

        def wait_for_the_others(step: str, _pid: int) -> None:
            if step == "received":
                all_made.wait(10)
                others_made.append(carrier.made)

        slow.at_step = wait_for_the_others

        resolve_waybills(seconds=20)

    assert others_made == [10] * 6
    assert set(WaybillOrder.objects.values_list("status", flat=True)) == {WaybillStatus.MADE}
