"""Multiplies the rows that are there: big tables grow by copies whose keys point to copies of what they pointed to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection, models

# What a shop has dozens of, however many orders it takes: people, rights, settings, keys, the marks of processes; and
# thousands: what one person does after another, and what is told to people.
SMALL = frozenset(
    {
        "automation_automationrule", "automation_dryrun", "automation_releaserequest", "automation_ruleversion",
        "auth_group", "auth_group_permissions", "auth_permission", "auth_user", "auth_user_groups",
        "auth_user_user_permissions", "django_content_type", "django_session", "health_alert", "health_heartbeat",
        "logistics_carrieraccount", "logistics_maprun", "logistics_warehouse", "orders_apiclient", "orders_changerequest",
        "merchant_webhooks_webhookendpoint", "messaging_messageaccount", "messaging_messagesettings",
        "messaging_messagetemplate",
        "orders_countmark", "orders_watchlimit",
        "orders_merchant", "orders_merchantmember", "orders_setupend", "orders_stafflanguage",
        "orders_riskstrategy", "orders_transitionrule", "payments_billfetch", "payments_logposition", "payments_moneylimit",
        "payments_paymentaccount", "payments_refusedcall", "payments_revivalrequest", "payments_settlementfile",
        "payments_settlementrequest", "payments_statementmapping", "people_authenticator", "people_knownaddress",
        "people_loginfailure", "people_recoverycode", "rails_spreadbatch",
    }
)  # fmt: skip
# Copied, for lines point to them; but a shop has thousands.
_FEW = frozenset({"payments_statement", "logistics_stallrule"})
# Of these there are as many as orders, or more; of the others a tenth at most.
_AS_MANY_AS_ORDERS = frozenset(
    {
        "logistics_shipment", "logistics_shipmentline", "logistics_trackingevent", "orders_buyer", "orders_order",
        "orders_orderevent", "orders_orderline", "orders_ordereventtext", "payments_notificationbody",
        "payments_payment", "payments_paymentnotification", "payments_statementline",
    }
)  # fmt: skip
_ENOUGH = 20_000
# The keys of copies lie this far apart: the rows that are copied have keys closer to one another.
_STEP = 10_000
# Numbers and words that differ from row to row in a shop, though no constraint says so.
_OWN = frozenset({"reference", "provider_reference", "phone", "buyer_phone", "body_digest"})
# Numbers of minutes or hours: the copies are older.
_SINCE_1970 = frozenset({"minute", "hour"})
# Copies are finished business, but for one in so many: that is how a shop is.
_UNFINISHED = 200
_FINISHED = {
    "closed_at": "now()",
    "done_at": "now()",
    "leased_until": "NULL",
    "next_at": "NULL",
    "answer_due_at": "NULL",
    "next_check_at": "NULL",
    "next_query_at": "NULL",
    "parked_at": "NULL",
    "resolved_at": "now()",
}
# What waits with a time that is empty once it is done, under a name of its own kind.
_WAITS_BY = {
    "merchant_webhooks_webhookdelivery": "next_try_at",
    "messaging_buyermessage": "next_try_at",
}
_FINISHED_STATUS = {
    "automation_rulerun": "done",
    "logistics_dispatch": "shipped",
    "logistics_shipment": "delivered",
    "merchant_webhooks_webhookdelivery": "delivered",
    "messaging_buyermessage": "sent",
    "orders_holdreview": "released",
    "orders_order": "closed",
    "payments_payment": "closed",
    "payments_refundrequest": "withdrawn",
    "payments_statement": "matched",
}


def big_models() -> list[type[models.Model]]:
    """Return the models whose tables grow with the business."""
    every = apps.get_models(include_auto_created=True)
    return [model for model in every if model._meta.managed and model._meta.db_table not in SMALL]


def multiply(orders: int) -> dict[str, int]:
    """Copy the rows of the big tables until there are about so many orders; returns how many rows each has. ANALYZEs.

    Of what is rarer than orders there is a tenth, or _ENOUGH for a planner to want an index. Triggers and foreign keys
    are not looked at; the calling role must be allowed to say so. What a unique constraint would refuse, because the
    rows that it points to were copied less often, is left out.
    """
    found = big_models()
    with connection.cursor() as cursor:
        copies = {model: -(-_wanted(model, orders) // max(model._base_manager.count(), 1)) for model in found}
        cursor.execute("SELECT set_config('session_replication_role', 'replica', false)")
        cursor.execute("SELECT set_config('statement_timeout', '0', false)")
        for model in found:
            cursor.execute(_statement(model, copies))
        cursor.execute("SELECT set_config('session_replication_role', 'origin', false)")
        for sql in connection.ops.sequence_reset_sql(no_style(), found):
            cursor.execute(sql)
        cursor.execute("ANALYZE")
    big = [model for model in found if model._meta.db_table not in _FEW]
    return {model._meta.db_table: model._base_manager.count() for model in big}


def _wanted(model: type[models.Model], orders: int) -> int:
    is_many = model._meta.db_table in _AS_MANY_AS_ORDERS
    return orders if is_many else min(orders, max(_ENOUGH, orders // 10))


def _statement(model: type[models.Model], copies: dict[type[models.Model], int]) -> str:
    """Copy g is the older the smaller it is, and all are older than what is copied, as its keys are smaller."""
    table, number = model._meta.db_table, copies[model]
    values = dict(_values(model, copies))
    columns = ", ".join(f'"{column}"' for column in values)
    return (
        f"INSERT INTO {table} ({columns}) SELECT {', '.join(values.values())}"
        f" FROM generate_series(1, {number}::bigint) AS g CROSS JOIN {table} t"
        f" ORDER BY g, t.{model._meta.pk.column} ON CONFLICT DO NOTHING"
    )


def _values(model: type[models.Model], copies: dict[type[models.Model], int]) -> Iterator[tuple[str, str]]:
    """Yield each column with its SQL in a copy."""
    table = model._meta.db_table
    different = _OWN | {_different(model, list(names)) for names in _unique(model)}
    for field in model._meta.concrete_fields:
        name = str(field.column)
        column = f't."{name}"'
        target = field.remote_field.model if field.remote_field else None
        if target in copies:
            value = f"{column} + (g - 1) % {copies[target]} * {_STEP} + {_STEP}"
        elif target is None and _is_number(field) and (field.primary_key or name.endswith("_id")):
            value = f"{column} + g * {_STEP}"
        elif name in _SINCE_1970 and _is_number(field):
            value = f"{column} - g"
        elif finished := _finished(table, field):
            value = f"CASE WHEN g % {_UNFINISHED} = 0 THEN {column} ELSE {finished} END"
        elif isinstance(field, models.DateTimeField) and name != "expire_date":
            value = f"{column} - interval '100 days' * (1 - g::numeric / {copies[model] + 1})"
        elif field.name in different:
            value = _other(field, column, f't."{model._meta.pk.column}"')
        else:
            value = column
        yield name, value


def _finished(table: str, field: Any) -> str:
    if table == "rails_delivery" and field.column != "parked_at":  # deleted when done: what is there, waits
        return ""
    if field.column == "decided_at" and table == "orders_holdreview":
        return "now()"
    if field.column == _WAITS_BY.get(table):
        return f"NULL::{field.db_type(connection)}"
    if field.column in ("status", "state") and table in _FINISHED_STATUS:
        return f"'{_FINISHED_STATUS[table]}'"
    return f"{_FINISHED[field.column]}::{field.db_type(connection)}" if field.column in _FINISHED else ""


def _is_number(field: Any) -> bool:
    return isinstance(field, models.IntegerField)


def _unique(model: type[models.Model]) -> Iterator[tuple[str, ...]]:
    yield from ((field.name,) for field in model._meta.concrete_fields if field.unique)
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint):
            yield tuple(constraint.fields)


def _different(model: type[models.Model], names: list[str]) -> str:
    """Choose the column of a unique constraint that differs in copies; none where a key of it differs by itself."""
    fields = [model._meta.get_field(name) for name in names]
    free = [
        field for field in fields
        if isinstance(field, models.CharField | models.UUIDField | models.DateField) and not field.choices
    ]  # fmt: skip
    return max(free, key=lambda field: field.max_length or 0).name if free else ""


def _other(field: Any, column: str, key: str) -> str:
    if isinstance(field, models.UUIDField):
        return f"md5({column}::text || g)::uuid"
    if isinstance(field, models.DateField):
        return f"{column} - g::int"
    return f"CASE WHEN {column} = '' THEN '' ELSE lpad(to_hex(g * 64 + {key} % 64), 8, '0') || substr({column}, 9) END"
