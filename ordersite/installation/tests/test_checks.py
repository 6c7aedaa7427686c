"""The checks of an installation: each names what is wrong, and the page and the command show them."""

from __future__ import annotations

import io
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.files.storage import InMemoryStorage
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone, translation

from logistics.models import Warehouse
from orders.clients import add_client
from orders.models import Merchant
from ordersite.health import heartbeat
from ordersite.health.models import Heartbeat
from ordersite.installation import check_servers, check_settings, check_shop, checks
from ordersite.installation.checks import GROUPS, Check
from ordersite.installation.result import State, good
from ordersite.lib.crypto import KeyRing
from ordersite.schedule import DAILY, RHYTHMS
from payments.accounts.on_server import save_on_server
from scripts import env_file

pytestmark = pytest.mark.django_db
NAMES = [check.name for _title, group in GROUPS for check in group]


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    with translation.override("en"):
        yield


def see(*kinds: str, ago: timedelta = timedelta()) -> None:
    Heartbeat.objects.bulk_create(
        Heartbeat(task=f"process.{kind}", at=timezone.now() - ago, process="here 1") for kind in kinds
    )


def staff(username: str, role: str = "", email: str = "x@shop.cn") -> User:
    user = User.objects.create_user(username, email, is_staff=True)
    if role:
        user.groups.add(Group.objects.get(name=role))
    return user


def account(slug: str = "hook") -> None:
    merchant = Merchant.objects.get_or_create(slug="shop", defaults={"name": "Shop"})[0]
    save_on_server(
        slug, provider="webhook", merchant=merchant, values={"secret": "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    )  # fmt: skip


def test_names_stand_once() -> None:
    assert len(set(NAMES)) == len(NAMES) > 20


# --- settings


def test_address_has_to_be_https(settings: Any) -> None:
    settings.PUBLIC_BASE_URL = "http://orders.shop.cn"
    assert check_settings.check_address().state is State.BAD
    settings.PUBLIC_BASE_URL = "https://orders.shop.cn"
    assert check_settings.check_address().state is State.GOOD


@pytest.mark.parametrize(
    ("address", "state"),
    [
        ("https://orders.shop.cn", State.GOOD),
        ("https://orders.shop.cn:8443", State.WARN),
        ("https://127.0.0.1", State.BAD),
        ("https://10.1.2.3", State.BAD),
        ("https://orders", State.BAD),
        ("https://orders.internal", State.BAD),
    ],
)
def test_providers_can_reach_the_callbacks(settings: Any, address: str, state: State) -> None:
    settings.PUBLIC_BASE_URL = address
    assert check_settings.check_callbacks().state is state


def test_debugging_and_demonstration(settings: Any) -> None:
    settings.DEBUG, settings.DEMO_SHOP = False, False
    assert check_settings.check_mode().state is State.GOOD
    settings.DEMO_SHOP = True
    assert check_settings.check_mode().state is State.WARN
    settings.DEBUG = True
    assert check_settings.check_mode().state is State.BAD


def test_keys_open_what_is_stored(settings: Any, tmp_path: Path) -> None:
    settings.BASE_DIR = tmp_path
    account()
    assert check_settings.check_keys().state is State.GOOD

    settings.KEY_RING = KeyRing.parse(env_file.new_values()["FIELD_ENCRYPTION_KEYS"])

    found = check_settings.check_keys()
    assert (found.state, "hook" in found.text) == (State.BAD, True)


def test_file_of_keys_is_private(settings: Any, tmp_path: Path) -> None:
    settings.BASE_DIR = tmp_path
    (tmp_path / ".env").touch(0o644)
    (tmp_path / ".env").chmod(0o644)
    assert check_settings.check_keys().state is State.BAD
    (tmp_path / ".env").chmod(0o600)
    assert check_settings.check_keys().state is State.GOOD


@pytest.mark.parametrize(
    ("mode", "owner", "group", "is_good"),
    [
        (0o640, 0, 900, True),  # the form of the installation with systemd
        (0o640, 0, 100, False),
        (0o640, 900, 900, False),
        (0o644, 0, 900, False),
        (0o660, 0, 900, False),
        (0o600, 900, 900, True),
    ],
)
def test_roots_file_may_be_read_by_the_products_group(
    mode: int, owner: int, group: int, is_good: bool
) -> None:
    status = os.stat_result((0o100000 | mode, 0, 0, 1, owner, group, 0, 0, 0, 0))
    assert check_settings.is_private(status, user=900, group=900) is is_good


def test_second_step(settings: Any) -> None:
    settings.STAFF_TOTP = "offered"
    assert check_settings.check_second_step().state is State.WARN
    settings.STAFF_TOTP = "required"
    assert check_settings.check_second_step().text.endswith("who needs it.")
    staff("fin", "finance")
    staff("look", "viewer")
    assert "1 people" in check_settings.check_second_step().text


def test_mail_server_takes_a_connection(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    assert check_settings.check_mail().state is State.WARN
    settings.EMAIL_BACKEND = "ordersite.lib.outgoing.mail.BoundEmailBackend"
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.getsockname()[1]
        assert check_settings.check_mail().state is State.GOOD
    assert check_settings.check_mail().state is State.BAD


def test_private_folder(settings: Any, tmp_path: Path) -> None:
    """One closed folder above it is enough; a file in its place is named."""
    folder = tmp_path / "var" / "private"
    settings.PRIVATE_DIR = str(folder)
    assert check_settings.check_private_files().state is State.GOOD
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    assert check_settings._open_to_the_world(Path("/")) is True
    folder.rmdir()
    folder.touch()
    assert check_settings.check_private_files().state is State.BAD


def test_private_files_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shelf(InMemoryStorage):
        def exists(self, name: str) -> bool:
            raise TimeoutError

    monkeypatch.setattr(check_settings, "storages", {"private": InMemoryStorage()})
    assert check_settings.check_private_files().text == "Kept by InMemoryStorage."
    monkeypatch.setattr(check_settings, "storages", {"private": Shelf()})
    found = check_settings.check_private_files()
    assert (found.state, "TimeoutError" in found.text) == (State.BAD, True)


def test_anchors_lie_elsewhere(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path / "var"
    settings.HISTORY_ANCHOR_DIR = str(tmp_path / "var" / "anchors")
    assert check_settings.check_anchor_folder().state is State.WARN
    settings.HISTORY_ANCHOR_DIR = str(tmp_path / "disk")
    assert check_settings.check_anchor_folder().state is State.GOOD


# --- servers


def test_broker_and_cache_that_are_away(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL, settings.CELERY_BROKER_URL = "", "filesystem://localhost//"
    assert {check_servers.check_cache().state, check_servers.check_broker().state} == {State.WARN}
    settings.REDIS_URL, settings.CELERY_BROKER_URL = "redis://x", "amqp://x"
    for word, state in (("ok", State.GOOD), ("down", State.BAD)):
        monkeypatch.setattr(
            check_servers.readiness, "state", lambda word=word: {"cache": word, "broker": word}
        )
        assert {check_servers.check_cache().state, check_servers.check_broker().state} == {state}


def test_processes_are_seen() -> None:
    see("clock", "worker")
    see("beat", ago=timedelta(minutes=2))
    states = {kind: check_servers.check_processes(kind).state for kind in heartbeat.PROCESSES}
    assert states == {"worker": State.GOOD, "outside": State.WARN, "beat": State.WARN, "clock": State.GOOD}


def test_without_a_clock_a_missing_worker_is_red() -> None:
    see("worker")
    states = {kind: check_servers.check_processes(kind).state for kind in heartbeat.PROCESSES}
    assert states == {"worker": State.GOOD, "outside": State.BAD, "beat": State.BAD, "clock": State.BAD}


def test_a_process_is_no_task_that_stands_still() -> None:
    see("worker", ago=timedelta(days=3))
    now, first = timezone.now(), RHYTHMS[0].task
    Heartbeat.objects.bulk_create(
        Heartbeat(task=one.task, at=now, process="here 1") for one in (*RHYTHMS, *DAILY)
    )
    assert check_servers.check_clock_tasks().state is State.GOOD
    Heartbeat.objects.filter(task=first).update(at=now - timedelta(hours=1))
    found = check_servers.check_clock_tasks()
    assert (found.state, first in found.text) == (State.BAD, True)


def test_missing_migration() -> None:
    assert check_servers.check_migrations().state is State.GOOD
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'health'")
    assert check_servers.check_migrations().state is State.BAD


@pytest.mark.postgres
def test_rights_of_two_roles() -> None:
    """The owner could rewrite the history; the application's role of a migration cannot."""
    role = "shop_of_checks"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {role}")
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {role}")
        cursor.execute("SELECT has_database_privilege(%s, current_database(), 'TEMPORARY')", [role])
        may_hide = cursor.fetchone()[0]
        cursor.execute(f"SET LOCAL ROLE {role}")
        states = [check_servers.check_history_rights().state, check_servers.check_temporary_tables().state]
        cursor.execute("RESET ROLE")
        cursor.execute(f"REVOKE UPDATE ON ALL TABLES IN SCHEMA public FROM {role}")
        cursor.execute(f"SET LOCAL ROLE {role}")
        states.append(check_servers.check_history_rights().state)
        cursor.execute("RESET ROLE")
    assert states == [State.WARN, State.WARN if may_hide else State.GOOD, State.GOOD]


# --- the shop


def test_empty_shop_is_red_and_a_filled_one_green() -> None:
    shop = [check for title, group in GROUPS[-1:] for check in group]
    states = {check.name: check.run().state for check in shop}
    assert [name for name, state in states.items() if state is State.BAD] == [
        "merchant", "warehouse", "accounts", "administrator",
    ]  # fmt: skip

    account()
    merchant = Merchant.objects.get()
    Warehouse.objects.create(merchant=merchant, slug="main", name="Main")
    add_client(merchant, name="shop", scopes=["orders:write"])
    User.objects.create_superuser("root", "root@shop.cn")
    for number in (1, 2):
        staff(f"fin{number}", "finance")
        staff(f"ops{number}", "operations")
    staff("service", "agent")
    assert {check.run().state for check in shop} == {State.GOOD}

    User.objects.filter(username="fin2").update(is_active=False)
    User.objects.filter(username="ops1").update(email="")
    assert "finance 1/2" in check_shop.check_people().text
    assert "ops1" in check_shop.check_mail_addresses().text


# --- the page and the command


def test_a_check_that_fails_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise DatabaseError("away")

    def broken() -> Any:
        raise ZeroDivisionError

    rows = [Check("a", "A", away), Check("b", "B", broken), Check("c", "C", lambda: good("fine"))]
    monkeypatch.setattr(checks, "GROUPS", [("All", rows)])
    assert [one.state for one in checks.run_all()] == [State.BAD, State.BAD, State.GOOD]


@pytest.mark.parametrize(("found", "status"), [(State.BAD, 1), (State.WARN, 0), (State.GOOD, 0)])
def test_command_ends_with_one_when_red(monkeypatch: pytest.MonkeyPatch, found: State, status: int) -> None:
    rows = [Check("a", "A", lambda: checks.Found(found, "so it is"))]
    monkeypatch.setattr(checks, "GROUPS", [("All", rows)])
    output, ended = io.StringIO(), 0
    try:
        call_command("check_setup", "--json", stdout=output)
    except SystemExit as end:
        ended = int(str(end.code))
    assert json.loads(output.getvalue()) == [{"name": "a", "state": found.value, "text": "so it is"}]
    assert ended == status


def test_without_a_database_only_its_own_checks_are_red() -> None:
    """What needs no database is judged all the same, and the command ends by itself."""
    environment = {
        **os.environ,
        **dict.fromkeys(env_file.names(), ""),  # nothing of a developer's `.env`
        **env_file.new_values(),
        "DATABASE_URL": "postgres://shop:x@127.0.0.1:1/shop",
        "PUBLIC_BASE_URL": "https://orders.shop.cn",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "check_setup", "--json"],
        cwd=env_file.ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    states = {row["name"]: row["state"] for row in json.loads(done.stdout)}
    assert done.returncode == 1
    assert {states[name] for name in ("database", "migrations", "merchant", "clock")} == {"bad"}
    assert {states[name] for name in ("mode", "address", "callbacks", "translations")} == {"good"}


def test_command_speaks_both_languages(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.DEBUG = True
    monkeypatch.setattr(checks, "GROUPS", [("All", [Check("mode", "A", check_settings.check_mode)])])
    said = {}
    for language in ("en", "zh-hans"):
        output = io.StringIO()
        with pytest.raises(SystemExit):
            call_command("check_setup", "--language", language, stdout=output)
        said[language] = output.getvalue()
    assert "Set DEBUG=false." in said["en"]
    assert "请设 DEBUG=false" in said["zh-hans"]


@pytest.mark.parametrize(("role", "status"), [("operations", 200), ("auditor", 403), ("finance", 403)])
def test_page_is_for_operations(role: str, status: int) -> None:
    client = Client()
    client.force_login(staff("someone", role))
    assert client.get("/admin/installation/").status_code == status
    assert ("/admin/installation/" in client.get("/admin/").content.decode()) is (status == 200)


def test_page_shows_every_check_and_where_to_mend(admin_client: Client) -> None:
    html = admin_client.get("/admin/installation/").content.decode()
    assert [name for name in NAMES if f'id="check-{name}"' not in html] == []
    assert "/admin/orders/merchant/" in html
    assert "<code>manage.py setup</code>" in html
