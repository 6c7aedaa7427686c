"""The strategies of the database, as each process remembers them, and those of a new installation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from orders.models import RiskStrategy
from orders.risk import defaults, snapshot

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    snapshot.forget()
    yield
    snapshot.forget()


def test_new_installation_logs_and_holds() -> None:
    assert [
        (rule.slug, rule.kind, rule.window_seconds, rule.threshold, rule.action)
        for rule in snapshot.snapshot()
    ] == [
        ("attempts", "attempts", 300, 3, "hold"),
        ("device", "device", 600, 10, "hold"),
        ("amount_pattern", "amount_pattern", 3600, 5, "hold"),
        ("ip", "ip", 600, 50, "log"),
        ("phone", "phone", 3600, 10, "log"),
        ("address", "address", 3600, 30, "log"),
        ("velocity", "velocity", 600, 10, "log"),
    ]
    assert not any(rule.is_dry_run or rule.is_timed for rule in snapshot.snapshot())


def test_migrate_keeps_what_staff_has_changed() -> None:
    RiskStrategy.objects.filter(slug="ip").update(threshold=99, is_enabled=False)
    RiskStrategy.objects.filter(slug="phone").delete()

    defaults.seed(sender=apps.get_app_config("orders"))

    assert RiskStrategy.objects.count() == len(defaults.DEFAULTS)
    kept = RiskStrategy.objects.get(slug="ip")
    assert (kept.threshold, kept.is_enabled) == (99, False)


def test_strategies_are_read_once() -> None:
    snapshot.snapshot()
    RiskStrategy.objects.filter(slug="ip").update(is_enabled=False)

    with CaptureQueriesContext(connection) as queries:
        assert "ip" in {rule.slug for rule in snapshot.snapshot()}
    assert len(queries) == 0

    snapshot.forget()
    assert "ip" not in {rule.slug for rule in snapshot.snapshot()}


@pytest.mark.parametrize(
    "wrong",
    [
        {"window_seconds": 0},
        {"window_seconds": 86_401},
        {"threshold": 0},
        {"threshold": 1000},
        {"kind": "mood"},
        {"action": "shout"},
        {"active_from": "2026-11-11T12:00Z", "active_until": "2026-11-11T12:00Z"},
    ],
)
def test_database_refuses_senseless_rows(wrong: dict[str, object]) -> None:
    fair = {"slug": "x", "kind": "device", "window_seconds": 600, "threshold": 5, "action": "hold"}
    RiskStrategy(**fair).full_clean()
    with pytest.raises(ValidationError):
        RiskStrategy(**{**fair, **wrong}).full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        RiskStrategy.objects.create(**{**fair, **wrong})
