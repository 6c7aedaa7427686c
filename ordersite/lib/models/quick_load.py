"""Model instances from the database without `Model.__init__`, which looks at every field of the table each time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from django.db import models
from django.db.models.base import ModelState


class QuickLoad(models.Model):
    """For the tables that doors load by the thousand a second: 4 us an instance instead of 25.

    The init signals are not sent. Fields that were not selected load when they are first asked for, as usual.
    """

    class Meta:
        abstract = True

    @classmethod
    def from_db(  # type: ignore[override]  # the stubs are those of a later Django, which hands a fetch mode over
        cls, db: str | None, field_names: Sequence[str], values: Sequence[Any]
    ) -> Self:
        instance = cls.__new__(cls)
        instance.__dict__.update(zip(field_names, values, strict=True))
        state = ModelState()
        state.adding, state.db = False, db
        instance._state = state
        return instance
