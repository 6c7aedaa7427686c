"""Warehouses: saving from a file, refusals, the sealed secret."""

from __future__ import annotations

import json
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from logistics.models import Warehouse
from logistics.tests.builders import build_warehouse
from orders.tests.builders import build_merchant
from ordersite.queue.models import AuditEntry

pytestmark = pytest.mark.django_db

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # of the specification's example
PULL = {
    "name": "杭州云仓", "kind": "cloud", "regions": ["浙江省", "上海市"], "priority": 5, "cost": "6.50",
    "adapter": "pull", "silence_minutes": 30,
}  # fmt: skip
PUSH = {**PULL, "adapter": "push", "push_url": "https://wms.example.com/in", "secret": SECRET}


def run_command(path: Path, data: dict[str, Any], *, slug: str = "hz") -> str:
    path.write_text(json.dumps(data))
    out = StringIO()
    call_command("set_warehouse", slug, "--merchant", "demo", "--from-json", str(path), stdout=out)
    return out.getvalue()


def test_command_saves_every_key(tmp_path: Path) -> None:
    build_merchant()

    run_command(tmp_path / "w.json", PULL)

    saved = Warehouse.objects.get()
    assert (saved.slug, saved.name, saved.kind, saved.regions) == (
        "hz",
        "杭州云仓",
        "cloud",
        ["浙江省", "上海市"],
    )
    assert (saved.priority, saved.cost, saved.adapter, saved.silence_minutes) == (
        5,
        Decimal("6.50"),
        "pull",
        30,
    )
    assert saved.gets_instructions


def test_the_sender_of_waybills_is_saved_and_audited(tmp_path: Path) -> None:
    build_merchant()
    sender = {
        "sender_name": "杭州主仓", "sender_phone": "0571-88880000", "province": "浙江省", "city": "杭州市",
        "district": "余杭区", "street": "文一西路969号",
    }  # fmt: skip

    run_command(tmp_path / "w.json", {**PULL, **sender})

    saved = Warehouse.objects.get()
    assert {name: getattr(saved, name) for name in sender} == sender
    audited = AuditEntry.objects.filter(table_name=Warehouse._meta.db_table)
    assert set(sender) <= set(audited.values_list("column_name", flat=True))


def test_what_a_file_leaves_out_stays(tmp_path: Path) -> None:
    main = build_warehouse()
    run_command(tmp_path / "w.json", PULL, slug="main")

    run_command(tmp_path / "w.json", {"priority": 7}, slug="main")

    main.refresh_from_db()
    assert (main.priority, main.adapter, main.cost) == (7, "pull", Decimal("6.50"))


def test_a_new_warehouse_behaves_as_before(tmp_path: Path) -> None:
    build_merchant()

    run_command(tmp_path / "w.json", {"name": "小仓"})

    saved = Warehouse.objects.get()
    assert (saved.adapter, saved.kind, saved.regions, saved.silence_minutes) == ("none", "own", [], 120)
    assert not saved.gets_instructions


def test_the_secret_is_sealed_to_its_row(tmp_path: Path) -> None:
    build_merchant()

    printed = run_command(tmp_path / "w.json", PUSH)

    saved = Warehouse.objects.get()
    assert SECRET not in printed
    assert SECRET not in saved.sealed_secrets
    assert saved.open_secrets() == {"secret": SECRET}
    assert saved.push_url == "https://wms.example.com/in"
    assert SECRET not in str(list(AuditEntry.objects.values_list("new_value", flat=True)))


def test_a_push_warehouse_gets_a_secret_once(tmp_path: Path) -> None:
    build_merchant()
    without = {key: value for key, value in PUSH.items() if key != "secret"}

    printed = run_command(tmp_path / "w.json", without).split()[-1]
    again = run_command(tmp_path / "w.json", without)

    assert Warehouse.objects.get().open_secrets() == {"secret": printed}
    assert printed not in again


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"pin": 1}, "pin"),
        ({"kind": "shed"}, "own"),
        ({"regions": "浙江省"}, "regions"),
        ({"regions": ["", "上海市"]}, "regions"),
        ({"priority": -1}, "priority"),
        ({"priority": True}, "priority"),
        ({"cost": "1.234"}, "cost"),
        ({"cost": -1}, "cost"),
        ({"adapter": "fax"}, "adapter"),
        ({"push_url": ""}, "push_url"),
        ({"push_url": "http://10.0.0.8/in"}, "push_url"),
        ({"push_url": "file:///etc/passwd"}, "push_url"),
        ({"secret": "whsec_short"}, "secret"),
        ({"silence_minutes": 0}, "silence_minutes"),
        ({"name": "a\u0000b"}, "NUL"),
    ],
)
def test_refusals_name_the_key_and_change_nothing(change: dict[str, Any], named: str, tmp_path: Path) -> None:
    build_merchant()
    run_command(tmp_path / "w.json", PUSH)
    before = Warehouse.objects.values().get()

    with pytest.raises(CommandError, match=named):
        run_command(tmp_path / "w.json", {**PUSH, **change})

    assert Warehouse.objects.values().get() == before


def test_an_unknown_merchant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="demo"):
        run_command(tmp_path / "w.json", PULL)
