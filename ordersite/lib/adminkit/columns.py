"""A column of a model under a label of the page: for columns that have no name for people of their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin

from ordersite.lib.adminkit import badges


def plain(name: str, label: Any) -> Callable[[Any, Any], Any]:
    """A display method that shows the column `name`; times are relative, nothing is a dash."""

    @admin.display(description=label)
    def show(_admin: Any, row: Any) -> Any:
        value = getattr(row, name)
        if isinstance(value, datetime):
            return badges.ago(value)
        return badges.NOTHING if value in (None, "") else value

    return show
