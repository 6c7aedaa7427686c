"""The first statement of a request is the check of its connection: run again on a new one, and only then."""

from __future__ import annotations

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from ordersite.database import prepared, reconnect


def _pid() -> int:
    found = prepared.look_up("SELECT pg_backend_pid()", [])
    assert found is not None
    return int(found[0])


def _kill(pid: int) -> None:
    with psycopg.connect(_address(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def _address() -> str:
    known = connection.settings_dict
    return psycopg.conninfo.make_conninfo(
        host=known["HOST"],
        port=known["PORT"],
        user=known["USER"],
        password=known["PASSWORD"],
        dbname=known["NAME"],
    )


def _look_up_after_death() -> None:
    _kill(_pid())
    _pid()


def _begin_request() -> None:
    connection.close_if_unusable_or_obsolete()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_dead_connection_is_replaced() -> None:
    before = _pid()
    _kill(before)
    _begin_request()
    assert _pid() != before


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_not_in_transaction_or_later_in_request() -> None:
    _begin_request()
    with pytest.raises(OperationalError), transaction.atomic():
        _look_up_after_death()
    _begin_request()
    before = _pid()
    _kill(before)
    with pytest.raises(OperationalError):
        _pid()
    _begin_request()
    assert _pid() != before


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_error_on_live_connection_is_raised() -> None:
    calls = []

    def work() -> None:
        calls.append(1)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 20")
            cursor.execute("SELECT pg_sleep(1)")

    _begin_request()
    with pytest.raises(OperationalError):
        reconnect.first_of_request(work)
    assert calls == [1]
