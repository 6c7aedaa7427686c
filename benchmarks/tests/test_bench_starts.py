"""The bench starts: what the product imports or demands as it comes up must not break it unseen."""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from benchmarks.harness.databases import TEMPLATE, Server
from ordersite.database.server_defaults import TIME_LIMITS
from scripts.env_file import ROOT


def test_the_plain_views_come_up_under_their_own_settings() -> None:
    own = {"DJANGO_SETTINGS_MODULE": "benchmarks.notifications.plain_settings", "WEB_THREADS": "2"}
    environment = {**os.environ, **own}
    code = "from benchmarks.notifications.plain import front, urlpatterns; assert front and len(urlpatterns) == 2"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.postgres
@pytest.mark.django_db
def test_a_copied_database_has_the_time_limits() -> None:
    """Without them the web server of the bench refuses to start."""
    place = connection.settings_dict
    server = Server(
        f"postgres://{place['USER']}:{place['PASSWORD']}@{place['HOST']}:{place['PORT']}/postgres"
    )
    server._run(server._drop(TEMPLATE), sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    try:
        with psycopg.connect(server.copy()) as copy:
            limits = [copy.execute(f"SHOW {name}").fetchone() for name in TIME_LIMITS]
    finally:
        server.clean()

    assert limits == [("5s",), ("30s",), ("1min",)]
