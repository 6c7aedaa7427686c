"""Checks of the database and its roles, of Redis and the broker, and of the processes of the deployment."""

from __future__ import annotations

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.database_triggers import APPEND_ONLY
from ordersite.health.heartbeat import absent_processes, standing_still
from ordersite.health.probes import readiness
from ordersite.installation.result import Found, bad, good, warn

COMMANDS = {
    "worker": "celery -A ordersite worker --queues ordersite",
    "outside": "celery -A ordersite worker --queues outside --pool threads",
    "beat": "celery -A ordersite beat",
    "clock": "manage.py work --standby",
}


def check_database() -> Found:
    """The database is a server."""
    if connection.vendor != "postgresql":
        return warn(_("The embedded database is for trying out: set DATABASE_URL to a PostgreSQL."))
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        version = str(cursor.fetchone()[0]).partition(" ")[0]
    return good(f"PostgreSQL {version}")


def check_migrations() -> Found:
    """Every migration of this code was applied."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        return bad(
            _("%(count)s are not applied: run `manage.py migrate`, then start the processes anew.")
            % {"count": len(missing)}
        )
    return good(_("All applied."))


def check_history_rights() -> Found:
    """The application's role may add to the history and change none of it."""
    if connection.vendor != "postgresql":
        return warn(_("The embedded database has no roles: whoever has its file can rewrite the history."))
    if _one("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        return bad(_("The application is a superuser of the database: give it a role of its own.") + _roles())
    owned = _one(
        "SELECT count(*) FROM pg_class WHERE oid = ANY(%s::regclass[]) AND pg_has_role(current_user, relowner, 'USAGE')"
    )
    writes = _one(
        "SELECT count(*) FROM unnest(%s::regclass[]) AS t(id) WHERE has_table_privilege(id, 'UPDATE, DELETE, TRUNCATE')"
    )
    if owned or writes:
        return warn(
            _("The application's role could rewrite the history: let another role own the tables.") + _roles()
        )
    return good(_("The application's role may add to the history and change none of it."))


def check_temporary_tables() -> Found:
    """The application's role may make nothing that would stand before a real table."""
    if connection.vendor != "postgresql":
        return good(_("Not applicable to the embedded database."))
    if _one("SELECT has_database_privilege(current_database(), 'TEMPORARY')"):
        return warn(
            _(
                "The application's role may make temporary tables, which stand before real ones: let the database's"
                " owner run `manage.py migrate`."
            )
        )
    return good(_("The application's role may make none."))


def _roles() -> str:
    return " " + _("See DATABASE_MIGRATION_URL in .env.example.")


def _one(sql: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(sql, [list(APPEND_ONLY)] if "%s" in sql else None)
        return cursor.fetchone()[0]


def check_cache() -> Found:
    """What processes share lies in Redis, and it answers."""
    if not settings.REDIS_URL:
        return warn(_("Each process has a memory of its own: set REDIS_URL, so that limits count for all."))
    if readiness.state()["cache"] != "ok":
        return bad(_("Redis does not answer: look at REDIS_URL. Orders and payments go on without it."))
    return good(_("Answers."))


def check_broker() -> Found:
    """The broker of the wake-ups answers."""
    if settings.CELERY_BROKER_URL.startswith(("filesystem", "memory")):
        return warn(_("Hints go through a folder: set CELERY_BROKER_URL to a RabbitMQ or Redis."))
    if readiness.state()["broker"] != "ok":
        return bad(
            _("The broker does not answer: look at CELERY_BROKER_URL. The clock service goes on without it.")
        )
    return good(_("Answers."))


def check_processes(kind: str) -> Found:
    """A process of this kind worked within the last minute."""
    missing = absent_processes(timezone.now())
    if kind not in missing:
        return good(_("Was there within the last minute."))
    command = {"command": COMMANDS[kind]}
    if kind != "clock" and "clock" not in missing:
        return warn(
            _("Not seen; the clock service does its work, more slowly. Start `%(command)s`.") % command
        )
    return bad(_("Not seen within the last minute: start `%(command)s`.") % command)


def check_clock_tasks() -> Found:
    """Nothing that runs by the clock stands still."""
    late = standing_still(timezone.now())
    if late:
        names = ", ".join(sorted(one.task for one in late)[:3])
        return bad(_("%(names)s: look at the log of the clock service and the workers.") % {"names": names})
    return good(_("Nothing stands still."))
