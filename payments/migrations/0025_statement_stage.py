"""The table in which a file's lines wait until the whole file is read; unlogged on PostgreSQL."""

from typing import Any

from django.db import migrations

_COLUMNS = {
    "postgresql": "statement_id bigint NOT NULL, attempt integer NOT NULL, number integer, kind varchar(10),"
    " reference varchar(64), provider_reference varchar(64), refund_reference varchar(64), amount bigint,"
    " occurred_at timestamptz, sha256 varchar(64), identity uuid, note varchar(10)",
    "sqlite": "statement_id integer NOT NULL, attempt integer NOT NULL, number integer, kind text, reference text,"
    " provider_reference text, refund_reference text, amount integer, occurred_at text, sha256 text, identity text,"
    " note text",
}


def make(_apps: Any, editor: Any) -> None:
    vendor = editor.connection.vendor
    unlogged = "UNLOGGED " if vendor == "postgresql" else ""
    editor.execute(f"CREATE {unlogged}TABLE payments_statementstage ({_COLUMNS[vendor]})")
    editor.execute("CREATE INDEX statement_stage_of ON payments_statementstage (statement_id, attempt)")


def drop(_apps: Any, editor: Any) -> None:
    editor.execute("DROP TABLE payments_statementstage")


class Migration(migrations.Migration):
    dependencies = [("payments", "0024_sealed_bodies")]

    operations = [migrations.RunPython(make, drop)]
