"""Adds and changes strategies; each change is audited with the old and the new value."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from orders.models import RiskAction, RiskStrategy, StrategyKind
from orders.risk import snapshot
from ordersite.lib.errors import DomainError
from ordersite.queue import audit

TUNED = (
    "name", "window_seconds", "threshold", "action", "is_enabled", "is_dry_run", "active_from", "active_until",
)  # fmt: skip


def add(values: Mapping[str, Any], *, by: AbstractUser) -> RiskStrategy:
    """Add a strategy: its kind, its merchant (None: every shop) and what is in TUNED. Raises `DomainError`."""
    strategy = RiskStrategy(slug=f"{values['kind']}-{secrets.token_hex(4)}", **values)
    _check(strategy)
    with transaction.atomic():
        strategy.save()
        _record(strategy, dict.fromkeys(TUNED, ""), by)
    return strategy


def change(pk: int, values: Mapping[str, Any], *, by: AbstractUser) -> RiskStrategy:
    """Change some of TUNED. It holds in every process after two seconds at the latest. Raises `DomainError`."""
    with transaction.atomic():
        strategy = RiskStrategy.objects.select_for_update(no_key=True, of=("self",)).get(pk=pk)
        before = {name: _text(getattr(strategy, name)) for name in TUNED}
        for name in TUNED:
            setattr(strategy, name, values.get(name, getattr(strategy, name)))
        _check(strategy)
        strategy.save(update_fields=TUNED)
        _record(strategy, before, by)
    return strategy


def _check(strategy: RiskStrategy) -> None:
    start, end = strategy.active_from, strategy.active_until
    if start and end and start >= end:
        raise DomainError("risk_times_reversed", _("The strategy must end after it begins."))
    if strategy.kind == StrategyKind.ATTEMPTS and strategy.action == RiskAction.REFUSE:
        raise DomainError(
            "risk_attempts_hold", _("Attempts for one product hold the order; they refuse none.")
        )


def _record(strategy: RiskStrategy, before: Mapping[str, str], by: AbstractUser) -> None:
    after = {name: _text(getattr(strategy, name)) for name in TUNED}
    table = RiskStrategy._meta.db_table
    changes = [
        audit.AuditedChange(table, strategy.pk, name, before[name], after[name])
        for name in TUNED
        if before[name] != after[name]
    ]
    audit.record(changes, actor=f"staff: {by.get_username()}")
    transaction.on_commit(snapshot.forget)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return "" if value is None else str(value)
