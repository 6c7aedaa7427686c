"""The OpenAPI schema says what the order API does: schemathesis sends what it allows and what it forbids."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from django.test import Client
from hypothesis import HealthCheck, given, settings
from schemathesis.generation import GenerationMode

from orders import clients
from orders.models import ApiClient, Order
from orders.tests.builders import build_merchant
from orders.tests.calls import build_caller, order_body, post_order
from ordersite.api.tests import hooks
from ordersite.wsgi import application

pytestmark = pytest.mark.django_db(transaction=True)
EXAMPLES = 40
OPERATIONS = [
    ("/api/v1/orders/", "get"),
    ("/api/v1/orders/", "post"),
    ("/api/v1/orders/{number}/", "get"),
    ("/api/v1/orders/{number}/cancel/", "post"),
    ("/api/v1/orders/{number}/consents/", "post"),
]
CASES = [
    pytest.param(path, method, mode, id=f"{method} {path} {mode.value}")
    for path, method in OPERATIONS
    for mode in GenerationMode
]


def _schema() -> Any:
    return schemathesis.openapi.from_wsgi("/api/schema/", application, headers={"Host": "127.0.0.1"})


def _token() -> str:
    row, token = clients.add_client(build_merchant(), name="st", scopes=["orders:read", "orders:write"])
    ApiClient.objects.filter(pk=row.pk).update(requests_per_second=1_000_000)
    return token


@pytest.mark.parametrize(("path", "method", "mode"), CASES)
def test_responses_match_the_schema(path: str, method: str, mode: GenerationMode) -> None:
    assert hooks.keep_to_the_rules
    headers = {"Authorization": f"Bearer {_token()}", "Host": "127.0.0.1"}

    @given(case=_schema()[path][method].as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Any) -> None:
        case.call_and_validate(headers=headers)

    check()


def test_every_operation_and_field_is_described() -> None:
    raw = _schema().raw_schema
    assert {(path, method) for path in raw["paths"] for method in raw["paths"][path]} >= set(OPERATIONS)
    answer = post_order(build_caller(), order_body()).json()
    described = raw["components"]["schemas"]["OrderView"]
    assert set(described["properties"]) == set(described["required"]) == set(answer)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_without_a_token_every_call_is_401(path: str, method: str) -> None:
    number = post_order(build_caller(), order_body()).json()["number"]
    before = Order.objects.get().history_hash
    answer = getattr(Client(), method)(path.format(number=number), {}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert Order.objects.get().history_hash == before


def test_the_page_of_the_schema_is_served() -> None:
    assert Client().get("/api/docs/").status_code == 200
