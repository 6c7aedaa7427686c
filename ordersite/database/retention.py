"""Deletes old rows in bounded batches, so that no statement locks a table for long or fills the memory."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

BATCH = 5_000


def delete_in_batches(old: QuerySet[Any], *, batch: int = BATCH) -> int:
    """Delete these rows, each batch in a statement of its own; returns how many.

    Order them by the column of an index, or each batch reads the table whole.
    """
    deleted = 0
    while ids := list(old.values_list("pk", flat=True)[:batch]):
        deleted += old.model._base_manager.filter(pk__in=ids).delete()[0]
    return deleted
