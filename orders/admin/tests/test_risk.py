"""The pages of risk strategies: who may change what, what is audited, and what they say."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders.models import Intercept, RiskStrategy
from orders.risk import snapshot
from orders.tests.builders import build_merchant
from ordersite.queue.models import AuditEntry

pytestmark = pytest.mark.django_db
LIST = "/admin/orders/riskstrategy/"
VALUES = {
    "window": "5", "unit": "60", "threshold": "7", "action": "hold", "name": "", "active_from": "", "active_until": "",
    "reason": "sale",
}  # fmt: skip


def staff_of(role: str) -> Client:
    client = Client()
    user = User.objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client.force_login(user)
    return client


def strategy(slug: str = "device") -> RiskStrategy:
    return RiskStrategy.objects.get(slug=slug)


def do(client: Client, code: str, slug: str = "device", **values: str) -> Any:
    return client.post(f"{LIST}{strategy(slug).pk}/do/{code}/", {"reason": "x", **values})


def audited(slug: str = "device") -> list[tuple[str, str, str]]:
    rows = AuditEntry.objects.filter(table_name="orders_riskstrategy", row_id=strategy(slug).pk)
    return [
        (row.column_name, row.old_value or "", row.new_value or "")
        for row in rows.order_by("pk")
        if row.database_user == "staff: supervisor"
    ]


def test_change_is_audited_and_holds_at_once(django_capture_on_commit_callbacks: Any) -> None:
    snapshot.snapshot()
    with django_capture_on_commit_callbacks(execute=True):
        answer = do(staff_of("supervisor"), "change", **VALUES)
    assert answer.status_code == 302
    rule = next(one for one in snapshot.snapshot() if one.slug == "device")
    assert (rule.window_seconds, rule.threshold, rule.action) == (300, 7, "hold")
    assert audited() == [("window_seconds", "600", "300"), ("threshold", "10", "7")]
    snapshot.forget()


def test_refusing_needs_its_own_page() -> None:
    supervisor = staff_of("supervisor")
    answer = do(supervisor, "change", **{**VALUES, "action": "refuse"})
    assert (answer.status_code, strategy().action) == (200, "hold")

    page = supervisor.get(f"{LIST}{strategy().pk}/do/refuse/").content.decode()
    assert "409 order_refused" in page

    assert do(supervisor, "refuse").status_code == 302
    assert strategy().action == "refuse"
    assert audited() == [("action", "hold", "refuse")]


def test_attempts_are_never_refused() -> None:
    answer = do(staff_of("supervisor"), "refuse", "attempts")
    assert (answer.status_code, strategy("attempts").action) == (200, "hold")
    assert "不能拒绝下单" in answer.content.decode()


def test_switch_off_and_on() -> None:
    supervisor = staff_of("supervisor")
    do(supervisor, "off")
    assert not strategy().is_enabled
    do(supervisor, "on")
    assert strategy().is_enabled
    assert audited() == [("is_enabled", "True", "False"), ("is_enabled", "False", "True")]


@pytest.mark.parametrize("role", ["agent", "finance", "operations", "auditor"])
def test_only_supervisors_change(role: str) -> None:
    client = staff_of(role)
    before = RiskStrategy.objects.values_list()
    known = list(before)
    for code in ("change", "off", "refuse"):
        assert do(client, code, **VALUES).status_code == 403
    assert client.post(f"{LIST}add/", {**VALUES, "kind": "ip"}).status_code == 403
    assert client.get(f"{LIST}simulation/").status_code == 403
    assert list(before.all()) == known


def test_added_for_one_shop_as_a_dry_run() -> None:
    shop, supervisor = build_merchant(), staff_of("supervisor")
    form = supervisor.get(f"{LIST}add/").context["form"]
    assert form["is_dry_run"].value() is True

    values = {
        **VALUES,
        "kind": "ip",
        "merchant": str(shop.pk),
        "is_dry_run": "on",
        "active_from": "2026-11-11T00:00",
    }
    assert supervisor.post(f"{LIST}add/", values).status_code == 302

    added = RiskStrategy.objects.order_by("-pk")[0]
    assert (added.kind, added.merchant, added.is_dry_run, added.is_enabled) == ("ip", shop, True, True)
    assert added.active_from is not None
    assert added.active_from.isoformat() == "2026-11-10T16:00:00+00:00"
    assert audited(added.slug)[0] == ("window_seconds", "", "300")


def test_end_before_beginning_is_refused() -> None:
    times = {"active_from": "2026-11-11T12:00", "active_until": "2026-11-11T12:00"}
    answer = do(staff_of("supervisor"), "change", **{**VALUES, **times})
    assert (answer.status_code, strategy().threshold) == (200, 10)
    assert "生效结束须晚于生效开始" in answer.content.decode()


def build_hit(slug: str, *, days: float) -> None:
    Intercept.objects.create(
        merchant=build_merchant(),
        at=timezone.now() - timedelta(days=days),
        layer="strategy",
        outcome="logged",
        strategy=slug,
        amount=Decimal("1.00"),
    )


def test_list_says_what_each_did() -> None:
    for days in (0, 0.5, 2, 8):
        build_hit("device", days=days)
    build_hit("ip", days=3)
    client = staff_of("agent")
    with CaptureQueriesContext(connection) as queries:
        page = client.get(LIST)
    rows = {row.slug: (row.day_hits, row.week_hits) for row in page.context["cl"].result_list}
    assert (rows["device"], rows["ip"], rows["phone"]) == ((2, 3), (0, 1), (0, 0))
    assert "同一设备 10 分钟内下单超过 10 次 → 拦截" in page.content.decode()
    assert len(queries) <= 12


def test_numbers_lead_to_their_rows() -> None:
    for slug, days in (("device", 0), ("device", 3), ("ip", 0)):
        build_hit(slug, days=days)
    client = staff_of("agent")
    address = "/admin/orders/intercept/?strategy=device&amp;since=day"
    assert f'href="{address}">1</a>' in client.get(LIST).content.decode()

    page = client.get(address.replace("&amp;", "&"))
    assert [row.strategy for row in page.context["cl"].result_list] == ["device"]


@pytest.mark.postgres
def test_hits_are_counted_by_an_index() -> None:
    client = staff_of("agent")
    with CaptureQueriesContext(connection) as queries:
        client.get(LIST)
    [counting] = [
        one["sql"] for one in queries if 'AS "week_hits"' in one["sql"] and "ORDER BY" in one["sql"]
    ]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {counting}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert len(re.findall("intercept_(?:by|of)_strategy", plan)) == 2, plan
