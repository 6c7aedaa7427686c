"""The backend's entry; Django looks for this module and this class by their names."""

from __future__ import annotations

from collections.abc import Generator
from types import SimpleNamespace
from typing import Any, TypeVar

import psycopg
from django.db.backends.postgresql import base

from ordersite.database import silence

T = TypeVar("T")


class PatientConnection(psycopg.Connection[Any]):
    """A connection whose every wait ends: see `ordersite.database.silence`."""

    prepares: bool | None = None  # kept by `ordersite.database.prepared`

    @classmethod
    def _connect_gen(cls, conninfo: str = "", **options: Any) -> Generator[Any, Any, Any]:
        return silence.watched(super()._connect_gen(conninfo, **options), None)

    def wait(self, gen: Any, interval: float | None = None, timeout: float | None = None) -> Any:
        """Closes the connection when it raises ServerIsSilent: an answer that arrives later belongs to nobody."""
        try:
            return super().wait(silence.watched(gen, self), interval or silence.look_seconds(), timeout)
        except silence.ServerIsSilent:
            self.close()
            raise


class DatabaseWrapper(base.DatabaseWrapper):
    """Connects with PatientConnection; everything else is Django's own."""

    # A module in its published types.
    Database = SimpleNamespace(**{**vars(psycopg), "connect": PatientConnection.connect})  # type: ignore[assignment]
