"""`deploy/roles.sql` makes two roles: one migrates, the other can only add to the history and hide nothing from it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest

from scripts.env_file import ROOT, new_values
from scripts.services import Postgres, new_folder, start_postgres
from scripts.services.server import program

pytestmark = pytest.mark.postgres
PASSWORDS = {"DATABASE_OWNER_PASSWORD": "it's the owner", "DATABASE_PASSWORD": "applications"}
FORBIDDEN = (
    "UPDATE orders_orderevent SET seq = seq",
    "DELETE FROM orders_orderevent",
    "TRUNCATE orders_orderevent",
    "ALTER TABLE orders_orderevent DISABLE TRIGGER ALL",
    "DROP TABLE orders_orderevent",
    "DELETE FROM rails_auditentry",
    "CREATE TEMP TABLE orders_order (id int)",
    "CREATE TABLE hidden (id int)",
    "CREATE SCHEMA hidden",
    "SET ROLE ordersite_owner",
)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    folder = new_folder("roles")
    server = start_postgres(folder / "postgres")
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def make_roles(server: Postgres, passwords: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """As README says and as the image of PostgreSQL runs it."""
    path = os.environ["PATH"]
    return subprocess.run(
        [program("psql"), "-d", server.url, "-f", "deploy/roles.sql"],
        cwd=ROOT, env={"PATH": path, **passwords}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.serial
def test_passwords_are_demanded(server: Postgres) -> None:
    done = make_roles(server, {"DATABASE_PASSWORD": "x"})
    assert (done.returncode, "DATABASE_OWNER_PASSWORD and DATABASE_PASSWORD must be set" in done.stderr) == (
        3,
        True,
    )
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT to_regrole('ordersite')").fetchone() == (None,)


@pytest.mark.long
def test_application_only_adds_to_history(server: Postgres) -> None:
    for _time in range(2):  # again and again
        done = make_roles(server, PASSWORDS)
        assert done.returncode == 0, done.stderr
    server.ask_passwords("ordersite", "ordersite_owner")
    place = f"127.0.0.1:{server.port}/ordersite"
    owner, application = f"postgres://ordersite_owner:it%27s%20the%20owner@{place}", "applications"
    environment = {
        **os.environ,
        **new_values(),
        "DATABASE_URL": f"postgres://ordersite:{application}@{place}",
        "DATABASE_MIGRATION_URL": owner,
    }
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--no-input"], cwd=ROOT, env=environment, check=True
    )

    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        for sql in FORBIDDEN:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(sql)
        row = connection.execute(
            "SELECT current_setting('statement_timeout'), count(*) FROM orders_orderevent"
        )
        assert row.fetchone() == ("30s", 0)
        connection.execute("DELETE FROM orders_order")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(owner.replace("owner@", "x@"))
