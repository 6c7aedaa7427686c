"""Writes several rows in one statement without deadlocks: they are locked by primary key first, as everywhere."""

from __future__ import annotations

from typing import Any

from django.db import models


def update_in_order(rows: models.QuerySet[Any], **values: Any) -> int:
    """Lock the rows by primary key, then write the values; return how many rows were written.

    Call inside a transaction. A plain `QuerySet.update` locks rows as its scan meets them: two of them, or one beside a
    door that locks by primary key, wait for each other. What another transaction has changed meanwhile is judged anew.
    """
    locked = rows.order_by("pk").select_for_update(no_key=True, of=("self",))
    ids = list(locked.values_list("pk", flat=True))
    return rows.model._base_manager.filter(pk__in=ids).update(**values) if ids else 0
