"""A provider of the webhook form on a real port, in a few lines: says what a test wants to hear."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.utils import timezone
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from payments.models import Payment, PaymentAccount
from payments.tests.builders import build_payment, build_webhook


@contextmanager
def serving() -> Iterator[HTTPServer]:
    with HTTPServer(threaded=True) as server:
        yield server


def pollable(provider: HTTPServer, slug: str = "demo-webhook", *, path: str = "/query") -> PaymentAccount:
    """An account that can only be queried."""
    return build_webhook(slug, query_url=provider.url_for(path))


def answer_with(provider: HTTPServer, status: str, *, path: str = "/query", seconds: float = 0) -> None:
    """Every question gets this answer, after so long."""

    def handle(request: Request) -> Response:
        time.sleep(seconds)
        body: dict[str, Any] = {"reference": request.get_json()["reference"], "status": status}
        if status == "succeeded":
            body |= {"provider_reference": "p-" + body["reference"], "amount": "199.00", "currency": "CNY"}
        return Response(json.dumps(body), content_type="application/json")

    provider.expect_request(path, method="POST").respond_with_handler(handle)


def due_payment(account: PaymentAccount, **columns: Any) -> Payment:
    return build_payment(account, next_query_at=timezone.now(), **columns)
