"""Warehouses that confirm nothing: reminded, then a case, which ends by itself."""

from __future__ import annotations

import pytest
from django.utils import timezone

from logistics.dispatch.confirm import ProductQuantity
from logistics.dispatch.instructions.silence import find_silent_dispatches
from logistics.dispatch.instructions.tests.test_instructions import (
    STAFF,
    ack,
    build_pull,
    confirm_all,
    fetch,
    run_events,
)
from logistics.dispatch.webhooks.tests.builders import (
    at_warehouse,
    build_cloud,
    build_instructed,
    let_pass,
    message_of,
    send,
    send_again,
)
from logistics.models import Dispatch, ShipmentException
from orders.changes import Hold
from orders.tests.builders import apply_changes
from sandbox.tests.running import Running

pytestmark = pytest.mark.django_db


def open_kinds() -> list[str]:
    return list(ShipmentException.objects.open().values_list("kind", flat=True))


def marks(dispatch: Dispatch) -> tuple[bool, bool]:
    """Whether an instruction is overdue by its row, and by the query of the board."""
    now = timezone.now()
    is_found = Dispatch.objects.overdue(now).filter(pk=dispatch.pk).exists()
    return Dispatch.objects.get(pk=dispatch.pk).is_overdue(now), is_found


def test_a_silent_warehouse_is_reminded_then_a_case(box: Running) -> None:
    build_cloud(box, silence_minutes=30)
    order, dispatch = build_instructed()
    box.control("faults", target="cloud.push", fault="silent", times=None)
    send()

    let_pass(29)
    assert find_silent_dispatches() == 0
    let_pass(1)
    assert find_silent_dispatches() == 1
    send()

    there = at_warehouse(box, dispatch)
    assert (there["created"], there["received"], there["reminders"]) == (1, 2, 1)
    assert open_kinds() == []
    assert (message_of(dispatch).status, message_of(dispatch).attempts) == ("taken", 2)
    let_pass(30)
    find_silent_dispatches()
    assert find_silent_dispatches() == 0
    assert open_kinds() == ["dispatch_unanswered"]
    assert ShipmentException.objects.get().detail["http_status"] == 200

    assert confirm_all(order, "cloud") == "ok"
    assert open_kinds() == []
    assert at_warehouse(box, dispatch)["received"] == 2


def test_a_reminder_wakes_a_sleeping_warehouse(box: Running) -> None:
    build_cloud(box)
    _order, dispatch = build_instructed()
    box.control("faults", target="cloud.push", fault="silent", times=1)
    send()
    let_pass(30)
    find_silent_dispatches()

    send_again()

    assert at_warehouse(box, dispatch)["state"] == "taken"
    assert Dispatch.objects.get().status == "accepted"


def test_a_pull_warehouse_is_handed_it_again_after_its_acknowledgement() -> None:
    build_pull("hz", silence_minutes=30)
    order, dispatch = build_instructed()
    assert "reminder" not in fetch("hz")[0]
    assert ack({"id": dispatch.pk, "ok": True}) == ["ok"]
    assert fetch("hz") == []

    let_pass(30)
    find_silent_dispatches()

    assert [(row["id"], row["reminder"]) for row in fetch("hz")] == [(dispatch.pk, True)]
    assert ack({"id": dispatch.pk, "ok": True}) == ["ok"]
    let_pass(30)
    find_silent_dispatches()
    assert open_kinds() == ["dispatch_unanswered"]
    assert confirm_all(order, "hz") == "ok"
    assert open_kinds() == []


def test_an_instruction_that_nobody_fetches_is_a_case_too() -> None:
    build_pull("hz", silence_minutes=30)
    build_instructed()

    for _time in range(2):
        let_pass(30)
        find_silent_dispatches()

    assert open_kinds() == ["dispatch_unanswered"]
    assert Dispatch.objects.get().status == "waiting"
    assert "reminder" not in fetch("hz")[0]


def test_a_part_that_is_sent_is_a_sign_of_life() -> None:
    build_pull("hz", silence_minutes=30)
    order, _dispatch = build_instructed(cups=3)
    for _time in range(2):
        let_pass(30)
        find_silent_dispatches()

    assert confirm_all(order, "hz", lines=(ProductQuantity("cup-1", 1),)) == "ok"

    assert open_kinds() == []
    row = Dispatch.objects.get()
    assert row.reminded_at is None
    assert row.answer_due_at is not None


def test_overdue_from_the_first_limit_to_the_parcel() -> None:
    build_pull("hz", silence_minutes=30)
    order, dispatch = build_instructed(cups=3)

    assert marks(dispatch) == (False, False)
    let_pass(31)
    assert marks(dispatch) == (True, True)
    find_silent_dispatches()
    assert marks(dispatch) == (True, True)
    let_pass(30)
    find_silent_dispatches()
    assert open_kinds() == ["dispatch_unanswered"]
    assert marks(dispatch) == (True, True)
    confirm_all(order, "hz", lines=(ProductQuantity("cup-1", 1),))
    assert marks(dispatch) == (False, False)
    let_pass(31)
    assert marks(dispatch) == (True, True)
    confirm_all(order, "hz", lines=(ProductQuantity("cup-1", 2),))
    assert marks(dispatch) == (False, False)


def test_a_held_order_is_neither_reminded_nor_a_case() -> None:
    build_pull("hz", silence_minutes=30)
    order, dispatch = build_instructed()
    fetch("hz")
    apply_changes(Hold(order.pk, STAFF, "look"))
    let_pass(60)

    find_silent_dispatches()

    dispatch.refresh_from_db()
    assert (dispatch.status, dispatch.answer_due_at, open_kinds()) == ("cancelled", None, [])


def test_a_cancellation_that_does_not_arrive_is_a_case_until_it_does(box: Running) -> None:
    build_cloud(box)
    order, _dispatch = build_instructed()
    send()
    box.control("faults", target="cloud.push", fault="status_500")
    apply_changes(Hold(order.pk, STAFF, "look"))
    run_events()
    send()

    let_pass(30)
    find_silent_dispatches()
    find_silent_dispatches()
    assert open_kinds() == ["cancel_unanswered"]

    send_again()
    assert open_kinds() == []
