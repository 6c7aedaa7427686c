"""Who may open which address: every route of the product × every kind of visitor, against a stored table.

`access_matrix.txt` holds a line for each method and route with the status for each visitor. A route without a line
fails, and so does a line without a route: a new page has to say who may see it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from csp.utils import build_policy
from django.db import transaction
from django.test import Client

from orders.models import Merchant
from ordersite.server.content_policy import API_PAGE, THEME
from ordersite.server.headers import PERMISSIONS
from ordersite.tests.access import VISITORS, build_visitors, build_world, routes

MATRIX = Path(__file__).with_name("access_matrix.txt")
METHODS = ("GET", "POST")
# What every answer carries.
HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": PERMISSIONS,
}
pytestmark = pytest.mark.django_db


def read_matrix() -> dict[tuple[str, str], dict[str, int]]:
    rows = {}
    for line in MATRIX.read_text().splitlines():
        if line and not line.startswith("#"):
            method, *statuses, route = line.split(None, len(VISITORS) + 1)
            rows[method, route] = dict(zip(VISITORS, map(int, statuses), strict=True))
    return rows


def knock(client: Client, method: str, address: str) -> Any:
    """The answer to one call, whose effects are taken back: in the database, and in the visitor's cookies."""
    cookies = copy.deepcopy(client.cookies)
    with transaction.atomic():
        try:
            answer = client.generic(method, address)
        finally:
            transaction.set_rollback(True)
            client.cookies = cookies
    return answer


def header_faults(answer: Any, route: str) -> Iterator[str]:
    """Yield what a browser is not told: the strict content policy with what this route may add, and all else."""
    policy = answer.headers.get("Content-Security-Policy")
    if policy not in {build_policy(), *allowed_policies(route)}:
        yield f"content policy {policy}"
    for name, value in HEADERS.items():
        if answer.headers.get(name) != value:
            yield f"{name} is {answer.headers.get(name)}"
    caching = answer.headers.get("Cache-Control", "")
    if not {"private", "no-store"} <= set(caching.split(", ")):
        yield f"a cache may keep it: {caching!r}"


def allowed_policies(route: str) -> Iterator[str]:
    if route.startswith("/admin/"):
        yield build_policy(update=THEME)
    if route == "/api/docs/":
        yield build_policy(update=API_PAGE)
    if route.endswith(("/file/<int:file_id>/", "/<int:object_id>/file/", "/label/")):
        yield "default-src 'none'; sandbox"
    if route == "/checkout/" or route.startswith("/pay/"):
        for origins in (["https:"], ["https:", "http://127.0.0.1:*", "http://localhost:*"]):
            yield build_policy(update={"form-action": origins})


def test_routes_and_table_rows_correspond() -> None:
    known = {route for _method, route in read_matrix()}
    assert {route.text for route in routes()} - known == set()
    assert known - {route.text for route in routes()} == set()


@pytest.mark.timeout(600)  # every address twice
@pytest.mark.parametrize("visitor", VISITORS)
def test_access_is_that_of_the_table(visitor: str, client: Client) -> None:
    values = build_world()
    user = build_visitors(Merchant.objects.get(slug="demo"))[visitor]
    if user:
        client.force_login(user)
    table, wrong = read_matrix(), []
    for route in routes():
        for method in METHODS:
            answer = knock(client, method, route.path(values))
            expected = table.get((method, route.text), {}).get(visitor)
            if answer.status_code != expected:
                wrong.append(f"{method} {route.text}: {answer.status_code}, the table says {expected}")
            wrong += [f"{method} {route.text}: {fault}" for fault in header_faults(answer, route.text)]
    assert wrong == []
