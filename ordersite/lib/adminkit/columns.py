"""Display methods that many admin pages share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from ordersite.lib.adminkit import badges


def plain(name: str, label: Any) -> Callable[[Any, Any], Any]:
    """Build a display method for the column `name`. Times are relative, an empty value is a dash."""

    @admin.display(description=label)
    def show(_admin: Any, row: Any) -> Any:
        value = getattr(row, name)
        if isinstance(value, datetime):
            return badges.ago(value)
        return badges.NOTHING if value in (None, "") else value

    return show


def due() -> Callable[[Any, Any], Any]:
    """When a queue row is tried next; nothing once it is done or parked."""

    @admin.display(description=_("due at"))
    def show(_admin: Any, row: Any) -> Any:
        is_over = row.done_at is not None or getattr(row, "parked_at", None) is not None
        return badges.NOTHING if is_over else badges.ago(row.due_at)

    return show


def order() -> Callable[[Any, Any], Any]:
    """Build a display method that links to the row's order."""

    @admin.display(description=_("order"))
    def show(_admin: Any, row: Any) -> Any:
        if row.order is None:
            return badges.NOTHING
        return badges.link(row.order.number, "admin:orders_order_change", row.order_id)

    return show


def amount() -> Callable[[Any, Any], Any]:
    """Build a display method for the row's `amount`, right-aligned."""

    @admin.display(description=_("amount"))
    def show(_admin: Any, row: Any) -> Any:
        return badges.money(row.amount)

    return show
