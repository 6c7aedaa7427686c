"""A provider that gives money back, on a real port: it remembers by refund number, and says what a test wants."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from payments.models import PaymentAccount
from payments.refunds.tests.builders import refundable


@dataclass
class Bank:
    """`says` are the answers to the next orders, then `usually`; a number means that HTTP status, after acting.

    `paid_back`: by refund number, what really went back: the same number never twice.
    """

    server: HTTPServer
    usually: str = "succeeded"
    says: list[Any] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    paid_back: dict[str, str] = field(default_factory=dict)
    seconds: float = 0
    before_answer: Callable[[], None] = lambda: None

    def account(self, slug: str = "demo-webhook") -> PaymentAccount:
        return refundable(slug, refund_url=self.server.url_for("/refund"))

    def answer(self, request: Request) -> Response:
        body = request.get_json()
        self.orders.append(body)
        say = self.says.pop(0) if self.says else self.usually
        number = body["refund_reference"]
        if say == "succeeded" or isinstance(say, int):
            self.paid_back.setdefault(number, body["amount"])
        time.sleep(self.seconds)
        self.before_answer()
        if isinstance(say, int):
            return Response("", status=say)
        answer = {"refund_reference": number, "status": say, "amount": body["amount"]}
        answer["detail"] = "no such card" if say == "failed" else ""
        return Response(json.dumps(answer), content_type="application/json")

    @property
    def numbers(self) -> list[str]:
        return [order["refund_reference"] for order in self.orders]


@contextmanager
def bank() -> Iterator[Bank]:
    with HTTPServer(threaded=True) as server:
        one = Bank(server)
        server.expect_request("/refund", method="POST").respond_with_handler(one.answer)
        yield one
