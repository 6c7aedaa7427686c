"""Instructions to a cloud warehouse that runs as a process of its own: taken, refused, lost, late, cancelled."""

from __future__ import annotations

import json
from typing import Any

import pytest

from logistics.dispatch.instructions.pull import hand_out
from logistics.dispatch.instructions.tests.test_instructions import (
    STAFF,
    ack,
    assert_reserved_is_instructed,
    build_pull,
    confirm_all,
    run_events,
)
from logistics.dispatch.webhooks import call
from logistics.dispatch.webhooks.judge import judge
from logistics.dispatch.webhooks.record import MOST_FAILURES, record
from logistics.dispatch.webhooks.send import LEASE
from logistics.dispatch.webhooks.tests.builders import (
    REGION,
    at_warehouse,
    build_cloud,
    build_instructed,
    message_of,
    send,
    send_again,
)
from logistics.models import Dispatch, DispatchWebhook, DispatchWebhookAttempt, ShipmentException, Warehouse
from orders.changes import Hold, ReleaseHold
from orders.models import Merchant, Order
from orders.tests.builders import apply_changes, move
from sandbox.tests.nobody import nobody
from sandbox.tests.running import Running

pytestmark = pytest.mark.django_db


def fault(box: Running, name: str, *, times: int | None = 1, **more: Any) -> None:
    assert box.control("faults", target="cloud.push", fault=name, times=times, **more).status == 201


def status_of(row: Dispatch) -> str:
    return str(Dispatch.objects.get(pk=row.pk).status)


def test_an_instruction_is_sent_and_taken_once(box: Running) -> None:
    build_cloud(box)
    order, dispatch = build_instructed(cups=2)

    assert send() == 1
    assert send_again() == 0

    there = at_warehouse(box, dispatch)
    assert (there["number"], there["state"], there["received"], there["created"]) == (
        order.number,
        "taken",
        1,
        1,
    )
    message = message_of(dispatch)
    assert (message.status, message.attempts, message.last_status) == ("taken", 1, 200)
    dispatch.refresh_from_db()
    assert dispatch.status == "accepted"
    assert dispatch.accepted_at is not None
    assert DispatchWebhookAttempt.objects.values_list("result", "http_status").get() == ("taken", 200)
    assert confirm_all(order, "cloud") == "ok"
    assert status_of(dispatch) == "shipped"


def test_what_is_sent_is_the_row_of_the_pull_form(box: Running) -> None:
    build_cloud(box)
    Merchant.objects.update(insures_parcels=True)
    _order, dispatch = build_instructed(cups=2)

    [sending] = judge([message_of(dispatch).pk])

    sent = json.loads(sending.posting.message.body)
    Warehouse.objects.filter(slug="cloud").update(adapter="pull")
    fetched = hand_out(Warehouse.objects.get(slug="cloud"), limit=1)[0].as_json()
    assert (sent["type"], sent["data"]) == ("dispatch.created", fetched)
    assert sent["data"]["insured_value"] == "20.00"
    assert "carrier" not in sent["data"]


@pytest.mark.parametrize("code", call.REFUSALS)
def test_a_refusal_goes_to_another_warehouse(box: Running, code: str) -> None:
    build_cloud(box, "near", regions=[REGION])
    other = build_cloud(box, "far")
    _order, dispatch = build_instructed()
    fault(box, code)

    send()
    send_again()

    assert (status_of(dispatch), message_of(dispatch).status) == ("refused", "refused")
    anew = Dispatch.objects.get(warehouse=other)
    assert (anew.status, at_warehouse(box, anew)["created"]) == ("accepted", 1)
    assert not DispatchWebhook.objects.filter(event="dispatch.cancelled").exists()
    assert not ShipmentException.objects.exists()
    assert_reserved_is_instructed()


def test_a_refusal_that_nobody_makes_good_is_a_case(box: Running) -> None:
    build_cloud(box)
    order, _dispatch = build_instructed()
    fault(box, "out_of_stock")

    send()

    case = ShipmentException.objects.get()
    assert (case.kind, case.order_id) == ("out_of_stock", order.pk)


@pytest.mark.parametrize("name", ["status_500", "drop", "timeout", "damaged"])
def test_any_other_answer_is_repeated_under_the_same_id(box: Running, name: str) -> None:
    """An answer that is lost after the warehouse has taken it (`timeout`) makes no second instruction there."""
    build_cloud(box)
    _order, dispatch = build_instructed()
    fault(box, name, value=0)

    send()
    failed = message_of(dispatch)
    assert (failed.status, failed.failures, status_of(dispatch)) == ("waiting", 1, "sent")
    send_again()

    there = at_warehouse(box, dispatch)
    if name == "damaged":
        assert (there["created"], message_of(dispatch).last_words) == (1, "外箱破损")
    else:
        assert (there["state"], there["created"], status_of(dispatch)) == ("taken", 1, "accepted")
    assert DispatchWebhookAttempt.objects.count() == 2


@pytest.mark.parametrize("way", ["hold", "refund"])
def test_a_taken_instruction_is_cancelled(box: Running, way: str) -> None:
    build_cloud(box)
    order, dispatch = build_instructed()
    send()

    stop(order, way)
    run_events()
    send_again()

    there = at_warehouse(box, dispatch)
    assert (there["state"], there["cancellations"], there["created_after_cancel"]) == ("cancelled", 1, 0)
    assert (status_of(dispatch), message_of(dispatch, "dispatch.cancelled").status) == ("cancelled", "taken")
    assert_reserved_is_instructed()


@pytest.mark.parametrize("way", ["hold", "refund"])
def test_a_stopped_order_is_never_sent(box: Running, way: str) -> None:
    """Also where the handler that cancels has not run yet."""
    build_cloud(box)
    order, dispatch = build_instructed()

    stop(order, way)
    send()
    send_again()

    assert at_warehouse(box, dispatch) is None
    assert (status_of(dispatch), message_of(dispatch).status) == ("cancelled", "dropped")
    assert not DispatchWebhook.objects.filter(event="dispatch.cancelled").exists()


def stop(order: Order, way: str) -> None:
    if way == "hold":
        apply_changes(Hold(order.pk, STAFF, "look"))
    else:
        move(order, "refund", "refund_confirmed")


def test_what_may_be_taken_is_cancelled_what_was_not_is_not(box: Running) -> None:
    """The first answer was lost after the warehouse had taken it; the second warehouse was never reached."""
    build_cloud(box)
    order, dispatch = build_instructed()
    fault(box, "timeout", value=0)
    send()
    stop(order, "hold")
    send_again()
    assert at_warehouse(box, dispatch)["state"] == "cancelled"

    Warehouse.objects.filter(slug="cloud").update(config={"push_url": nobody()})
    other, unreached = build_instructed()
    send()
    assert message_of(unreached).last_result == "not_sent"
    stop(other, "hold")
    send_again()

    assert not DispatchWebhook.objects.filter(dispatch=unreached, event="dispatch.cancelled").exists()


def test_a_cancellation_waits_for_the_instruction_on_its_way(box: Running) -> None:
    """And where that turns out never to have arrived, or to be refused, nothing is cancelled."""
    build_cloud(box)
    order, dispatch = build_instructed()
    message = message_of(dispatch)
    [sending] = judge([message.pk])
    DispatchWebhook.objects.filter(pk=message.pk).update(leased_until=message.created_at.replace(year=2999))

    stop(order, "hold")
    assert send() == 0
    assert message_of(dispatch, "dispatch.cancelled").status == "waiting"
    record([(sending, call.not_sent("provider_unreachable"))])
    assert send() == 0
    assert message_of(dispatch, "dispatch.cancelled").status == "dropped"


def test_a_released_order_is_a_new_instruction_after_the_cancellation(box: Running) -> None:
    build_cloud(box)
    order, first = build_instructed()
    send()
    stop(order, "hold")
    run_events()
    fault(box, "status_500")
    apply_changes(ReleaseHold(order.pk, STAFF, "fine"))
    run_events()
    second = Dispatch.objects.open().get()

    send()
    assert at_warehouse(box, second) is None
    send_again()

    assert at_warehouse(box, first)["state"] == "cancelled"
    assert at_warehouse(box, second)["state"] == "taken"


def test_what_a_dead_process_has_sent_is_sent_again_under_its_id(box: Running) -> None:
    """It died between the warehouse's answer and the row."""
    build_cloud(box)
    _order, dispatch = build_instructed()
    message = message_of(dispatch)
    DispatchWebhook.objects.filter(pk=message.pk).update(leased_until=message.created_at + LEASE)
    [sending] = judge([message.pk])
    assert call.post(sending.posting).status == 200
    assert send_again() == 0

    DispatchWebhook.objects.filter(pk=message.pk).update(leased_until=message.created_at)
    assert send_again() == 1

    there = at_warehouse(box, dispatch)
    assert (there["created"], there["received"], message_of(dispatch).attempts) == (1, 2, 2)


def test_wrong_keys_are_refused_and_shown_without_the_secret(box: Running) -> None:
    build_cloud(box, secret="whsec_" + "A" * 43 + "=")
    _order, dispatch = build_instructed()

    send()

    message = message_of(dispatch)
    assert (message.last_status, message.last_words) == (401, "签名或时间不正确")
    assert at_warehouse(box, dispatch) is None


def test_words_hide_the_buyer_and_the_secret() -> None:
    hidden = call.masker(("whsec_secret", "王小明", "文三路 1 号"))

    assert hidden('{"to": "王小明", "key": "whsec_secret", "phone": "13800138000"}'.encode()) == (
        '{"to": "•••", "key": "•••", "phone": "138****8000"}'
    )


def test_an_acknowledged_instruction_is_not_sent_again(box: Running) -> None:
    build_cloud(box)
    _order, dispatch = build_instructed()
    fault(box, "timeout", value=0)
    send()

    assert ack({"id": dispatch.pk, "ok": True}) == ["ok"]
    send_again()

    assert (message_of(dispatch).status, at_warehouse(box, dispatch)["received"]) == ("taken", 1)


def test_a_dead_address_holds_nobody_and_ends_as_a_case(box: Running) -> None:
    dead = build_cloud(box, "dead", regions=[REGION], push_url=nobody())
    orders = [build_instructed() for _number in range(6)]
    send()
    dead.refresh_from_db()
    assert dead.is_circuit_open

    alive = build_cloud(box, "alive", regions=[REGION], cost="0.00", priority=1)
    Warehouse.objects.filter(pk=dead.pk).update(cost="9.00")
    _order, dispatch = build_instructed()
    send()
    assert (dispatch.warehouse_id, status_of(dispatch)) == (alive.pk, "accepted")

    DispatchWebhook.objects.filter(warehouse=dead).update(failures=MOST_FAILURES - 1)
    send_again()
    cases = ShipmentException.objects.filter(kind="dispatch_unanswered")
    assert cases.count() == len(orders)
    assert cases.earliest("pk").detail["problem"] == "provider_unreachable"
    assert set(DispatchWebhook.objects.filter(warehouse=dead).values_list("status", flat=True)) == {
        "given_up"
    }


def test_a_push_warehouse_has_nothing_to_fetch(box: Running) -> None:
    warehouse = build_cloud(box)
    build_instructed()

    assert hand_out(warehouse, limit=9) == []


def test_pull_warehouses_are_sent_nothing() -> None:
    build_pull("hz")
    build_instructed()

    assert not DispatchWebhook.objects.exists()
