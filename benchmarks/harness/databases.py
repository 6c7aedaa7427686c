"""Creates the databases of the benchmarks: one migrated template, a fresh copy for each."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from ordersite.database.server_defaults import DEFAULTS

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = "ordersite_bench_template"
COPY = "ordersite_bench"


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL server on which databases may be created. `url` is that of any database on it."""

    url: str

    def at(self, name: str) -> str:
        """Return the URL of another database of this server."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def _run(self, *statements: sql.Composed) -> None:
        with psycopg.connect(self.at("postgres"), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def _drop(self, name: str) -> sql.Composed:
        return sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))

    def durability(self) -> dict[str, str]:
        """Return the settings that decide whether a commit survives a power cut, which costs time."""
        with psycopg.connect(self.at("postgres")) as connection:
            names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
            return {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in names}  # type: ignore[index]

    def make_template(self, env: Mapping[str, str]) -> None:
        """Create and migrate the template database."""
        create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE))
        self._run(self._drop(TEMPLATE), create)
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"],
            cwd=ROOT,
            env={**os.environ, **env, "DATABASE_URL": self.at(TEMPLATE)},
            check=True,
        )

    def copy(self) -> str:
        """Create a fresh copy of the template; returns its URL."""
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(COPY), sql.Identifier(TEMPLATE)
        )
        # A copy has the tables of its template, and none of the settings that migrate wrote into that.
        settings = [
            sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                sql.Identifier(COPY), sql.Identifier(setting), sql.Literal(value)
            )
            for setting, value in DEFAULTS.items()
        ]
        self._run(self._drop(COPY), create, *settings)
        return self.at(COPY)

    def clean(self) -> None:
        self._run(self._drop(COPY), self._drop(TEMPLATE))
