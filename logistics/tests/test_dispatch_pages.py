"""The board and the pages of stock: who may do what there, what is said, and what is found."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.test import Client
from django.utils import timezone

from logistics.dispatch.instructions.tests.test_instructions import (
    build_pull,
    confirm_all,
    count,
    report,
    run_events,
)
from logistics.models import Dispatch, ShipmentException, Stock, StockMovement
from logistics.stock import ledger
from logistics.stock.correct import correct
from logistics.stock.ledger import Shelf
from logistics.tests.builders import build_paid
from ordersite.lib.errors import DomainError
from ordersite.queue.models import AuditEntry

pytestmark = pytest.mark.django_db
BOARD, STOCK = "/admin/logistics/dispatch/", "/admin/logistics/stock/"


def member(role: str) -> Client:
    user = User.objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def said(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def grow_old(row: Dispatch, minutes: int) -> None:
    """Set it back to so many minutes ago; its warehouse may be silent for 30."""
    created_at = timezone.now() - timedelta(minutes=minutes)
    Dispatch.objects.filter(pk=row.pk).update(
        created_at=created_at, answer_due_at=created_at + timedelta(minutes=30)
    )


def test_the_board_marks_what_is_overdue() -> None:
    warehouse = build_pull("杭州仓", "浙江省", silence_minutes=30)
    assert "没有等待处理的发货指令" in said(member("viewer"), BOARD)
    order = build_paid()
    run_events()
    row = Dispatch.objects.get()
    agent = member("agent")

    for minutes, is_overdue in ((29, False), (31, True)):
        grow_old(row, minutes)
        page = said(agent, BOARD)
        assert order.number in page
        assert ('os-bad">已逾时' in page) is is_overdue
        assert (order.number in said(agent, f"{BOARD}?state=overdue")) is is_overdue
    assert f"?warehouse={warehouse.pk}&amp;state=overdue" in page
    assert order.number not in said(agent, f"{BOARD}?state=cancelled")
    assert order.number in said(agent, f"{BOARD}?state=waiting&warehouse={warehouse.pk}")


def test_the_instruction_says_why_in_words() -> None:
    build_pull("杭州仓", "浙江省", cost="6.50")
    build_paid(cups=3)
    run_events()

    page = said(member("viewer"), f"{BOARD}{Dispatch.objects.get().pk}/change/")

    for words in ("就在浙江省", "¥6.50", "保温杯", "等待仓库"):
        assert words in page, words
    assert "distance" not in page


def test_an_agent_moves_the_goods_and_a_viewer_does_not() -> None:
    near, far = build_pull("near", "浙江省"), build_pull("far", "广东省")
    build_paid()
    run_events()
    path = f"{BOARD}{Dispatch.objects.get().pk}/do/move/"
    form = {"warehouse": far.pk, "reason": "近仓盘点"}

    assert member("viewer").post(path, form).status_code == 403
    assert Dispatch.objects.get().warehouse_id == near.pk
    assert member("agent").post(path, form).status_code == 302

    assert Dispatch.objects.open().get().warehouse_id == far.pk
    assert "近仓盘点" in LogEntry.objects.get().change_message


def test_each_movement_stands_in_the_ledger() -> None:
    warehouse = build_pull("hz", "浙江省")
    report("hz", {"cup-1": 5})
    report("hz", {"cup-1": 5})
    order = build_paid(cups=2)
    run_events()
    assert confirm_all(order, "hz") == "ok"

    rows = StockMovement.objects.order_by("pk").values_list(
        "kind", "quantity", "on_hand", "reserved", "order"
    )

    assert list(rows) == [
        ("counted", 5, 5, 0, None),
        ("reserved", 2, 5, 2, order.pk),
        ("released", -2, 5, 0, order.pk),
        ("taken", -2, 3, 0, order.pk),
    ]
    viewer = member("viewer")
    page = said(viewer, f"{STOCK}{Stock.objects.get().pk}/change/")
    assert order.number in page
    assert "已发出" in page
    listed = said(viewer, f"/admin/logistics/stockmovement/?shelf={Stock.objects.get().pk}")
    assert listed.count(order.number) == 3
    assert str(warehouse) in listed


def test_a_products_levels_over_all_warehouses() -> None:
    for slug, number in (("hz", 4), ("gz", 0)):
        count(build_pull(slug), "cup-1", number)
    count(build_pull("sh"), "lid-1", 9)
    viewer = member("viewer")

    found = said(viewer, f"{STOCK}?q=cup-1").split('id="result_list"')[1]
    assert ("hz" in found, "gz" in found, "sh<br>" in found) == (True, True, False)
    assert "hz<br>" not in said(viewer, f"{STOCK}?level=none").split('id="result_list"')[1]
    assert "gz" in said(viewer, f"{STOCK}{Stock.objects.get(warehouse__slug='hz').pk}/change/")


def test_a_supervisor_corrects_what_is_on_hand() -> None:
    warehouse = build_pull("hz", "浙江省")
    count(warehouse, "cup-1", 1)
    order = build_paid(cups=2)
    run_events()
    assert ShipmentException.objects.open().get().kind == "out_of_stock"
    row = Stock.objects.get()
    path, form = f"{STOCK}{row.pk}/do/correct/", {"on_hand": 3, "seen": 1, "reason": "实盘三件"}

    assert member("agent").post(path, form).status_code == 403
    assert member("supervisor").post(path, form).status_code == 302
    run_events()

    assert Dispatch.objects.get().order_id == order.pk
    assert StockMovement.objects.filter(kind="corrected").values_list("quantity", "actor", "reason").get() == (
        2, "supervisor", "实盘三件",
    )  # fmt: skip
    entry = AuditEntry.objects.get(table_name="logistics_stock")
    assert (entry.old_value, entry.new_value, entry.database_user) == ("1", "3", "staff: supervisor")


@pytest.mark.parametrize(("figure", "seen", "code"), [(-1, 5, "stock_invalid"), (4, 6, "stock_changed")])
def test_a_correction_in_vain_changes_nothing(figure: int, seen: int, code: str) -> None:
    count(build_pull("hz"), "cup-1", 5)
    row, person = Stock.objects.get(), User.objects.create_user("li")

    with pytest.raises(DomainError, match=code):
        correct(row.pk, on_hand=figure, expected=seen, by=person, reason="x")

    assert Stock.objects.get().on_hand == 5
    assert not StockMovement.objects.exists()


def test_less_than_reserved_is_a_case_and_no_debt() -> None:
    warehouse = build_pull("hz")
    shelf = Shelf(warehouse.pk, "cup-1")
    with transaction.atomic():
        stock = ledger.lock([shelf])
        stock.count(shelf, 5, at=timezone.now())
        stock.reserve(shelf, 3, order_id=1)
        stock.save()

    correct(Stock.objects.get().pk, on_hand=1, expected=5, by=User.objects.create_user("li"), reason="x")

    row: Any = Stock.objects.get()
    assert (row.on_hand, row.reserved, row.available) == (1, 3, 0)
    assert ShipmentException.objects.open().get().kind == "stock_short"
    assert "缺 2 件" in said(member("viewer"), STOCK)
