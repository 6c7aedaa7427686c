"""Two roles of PostgreSQL: the application's own can hide no change from the audit, and still do its work."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from django.db import DatabaseError, connection, transaction

from orders import database_triggers as orders_triggers
from orders.models import Order
from orders.tests.builders import build_order_in
from ordersite.queue.models import AuditEntry
from payments import database_triggers as payments_triggers
from payments.models import Statement
from payments.reconciliation import importing
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.shop import account_at, paid, results, row_of

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
ROLE = "shop_of_two_roles"
HIDING = (
    "CREATE TEMP TABLE rails_auditentry (LIKE public.rails_auditentry INCLUDING ALL)",
    "CREATE TEMP VIEW orders_order AS SELECT 1",
    "CREATE TABLE public.hidden (id int)",
    "CREATE SCHEMA hidden",
    "CREATE FUNCTION public.hidden() RETURNS int LANGUAGE sql AS 'SELECT 1'",
)


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def become_application() -> None:
    run(f"SET ROLE {ROLE}")


@pytest.fixture(autouse=True)
def _application_role() -> Iterator[None]:
    """A role with the rights that a migration leaves to the application."""
    run(f"DROP ROLE IF EXISTS {ROLE}")
    run(f"CREATE ROLE {ROLE}")
    orders_triggers.grant_to_application(ROLE)
    payments_triggers.grant_to_application(ROLE)
    yield
    run("RESET ROLE")
    run(f"DROP OWNED BY {ROLE}")
    run(f"DROP ROLE {ROLE}")


@pytest.mark.parametrize("sql", HIDING)
def test_nothing_can_stand_before_the_audit(sql: str) -> None:
    order = build_order_in("paid")
    become_application()
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        run(sql)

    Order.objects.filter(pk=order.pk).update(refunded_amount="1.00")

    entry = AuditEntry.objects.get(row_id=order.pk, column_name="refunded_amount")
    assert (entry.table_name, entry.new_value) == ("orders_order", "100")


def test_search_path_of_the_caller_is_not_used() -> None:
    order = build_order_in("paid")
    run("CREATE SCHEMA decoy")
    try:
        run("CREATE TABLE decoy.rails_auditentry (LIKE public.rails_auditentry INCLUDING ALL)")
        run(f"GRANT ALL ON SCHEMA decoy TO {ROLE}")
        run(f"GRANT ALL ON decoy.rails_auditentry TO {ROLE}")
        become_application()
        run("SET search_path = decoy, public")
        Order.objects.filter(pk=order.pk).update(refunded_amount="1.00")
        run("SET search_path = public")
        assert AuditEntry.objects.filter(row_id=order.pk, column_name="refunded_amount").count() == 1
    finally:
        run("RESET search_path")
        run("RESET ROLE")
        run("DROP SCHEMA decoy CASCADE")


def test_functions_with_owners_rights_fix_their_path() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.proname, p.proconfig FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
            " WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
        )
        found = dict(cursor.fetchall())
    assert {"orders_order_audit", "payments_analyze_stage"} <= set(found)
    assert {
        name for name, config in found.items() if "search_path=pg_catalog, pg_temp" not in (config or [])
    } == set()


def test_statement_is_read_without_temporary_tables() -> None:
    account = account_at("alipay")
    origin = importing.Origin(source=Statement.Source.UPLOAD, file_name="bill")
    content = bills.alipay_csv([row_of(paid(account))])
    statement = importing.take_in(account, io.BytesIO(content), origin).statement
    become_application()
    importing.import_statements()
    statement.refresh_from_db()
    assert (statement.status, statement.last_error, results(statement)) == ("matched", "", {"matched": 1})
