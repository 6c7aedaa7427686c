"""Who may open which address: every route of the product × every kind of visitor, against a stored table.

`access_matrix.txt` holds a line for each method and route with the status for each visitor. A route without a line
fails, and so does a line without a route: a new page has to say who may see it.
"""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from django.db import transaction
from django.test import Client

from orders.models import Merchant
from ordersite.tests.access import VISITORS, build_visitors, build_world, routes

MATRIX = Path(__file__).with_name("access_matrix.txt")
METHODS = ("GET", "POST")
pytestmark = pytest.mark.django_db


def read_matrix() -> dict[tuple[str, str], dict[str, int]]:
    rows = {}
    for line in MATRIX.read_text().splitlines():
        if line and not line.startswith("#"):
            method, *statuses, route = line.split(None, len(VISITORS) + 1)
            rows[method, route] = dict(zip(VISITORS, map(int, statuses), strict=True))
    return rows


def knock(client: Client, method: str, address: str) -> int:
    """The status of one call, whose effects are taken back: in the database, and in the visitor's cookies."""
    cookies = copy.deepcopy(client.cookies)
    with transaction.atomic():
        try:
            status = client.generic(method, address).status_code
        finally:
            transaction.set_rollback(True)
            client.cookies = cookies
    return status


def test_routes_and_table_rows_correspond() -> None:
    known = {route for _method, route in read_matrix()}
    assert {route.text for route in routes()} - known == set()
    assert known - {route.text for route in routes()} == set()


@pytest.mark.parametrize("visitor", VISITORS)
def test_access_is_that_of_the_table(visitor: str, client: Client) -> None:
    values = build_world()
    user = build_visitors(Merchant.objects.get(slug="demo"))[visitor]
    if user:
        client.force_login(user)
    table, wrong = read_matrix(), []
    for route in routes():
        for method in METHODS:
            status = knock(client, method, route.path(values))
            expected = table.get((method, route.text), {}).get(visitor)
            if status != expected:
                wrong.append(f"{method} {route.text}: {status}, the table says {expected}")
    assert wrong == []
