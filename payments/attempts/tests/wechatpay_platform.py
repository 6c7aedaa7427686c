"""A WeChat Pay platform on a real port: orders of one number are equal only when every field is, as the real one has it."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from orders.tests.builders import build_merchant
from payments.accounts.save import save_account
from payments.models import PaymentAccount
from payments.providers.wechatpay.tests.fake_gateway import refusal, signed, trade
from payments.providers.wechatpay.tests.messages import account_file

_TRADES = "/v3/pay/transactions"
_ANY_TRADE = re.compile(f"{_TRADES}/out-trade-no/.*")


@dataclass
class PlatformOrder:
    wish: dict[str, Any]
    state: str = "NOTPAY"
    number: str = field(default_factory=lambda: f"42000{uuid.uuid4().int % 10**23:023d}")


@dataclass
class WeChatPlatform:
    """`loses` answers are lost after the platform has acted; `is_down`: it answers nothing and does nothing."""

    server: HTTPServer
    orders: dict[str, PlatformOrder] = field(default_factory=dict)
    started: list[dict[str, Any]] = field(default_factory=list)
    loses: int = 0
    is_down: bool = False

    def account(self, slug: str = "demo-wechatpay", **changes: Any) -> PaymentAccount:
        values = account_file(gateway_url=self.server.url_for(""), **changes)
        return save_account(slug, provider="wechatpay", merchant=build_merchant(), values=values)

    def answer(self, request: Request) -> Response:
        if self.is_down:
            return Response("", status=503)
        response = self._act(request)
        if self.loses:
            self.loses -= 1
            return Response("", status=500)
        return response

    def _act(self, request: Request) -> Response:
        if request.path == f"{_TRADES}/native":
            return self._start(json.loads(request.get_data()))
        number, _slash, action = request.path.removeprefix(f"{_TRADES}/out-trade-no/").partition("/")
        order = self.orders.get(number)
        if order is None:
            return refusal("ORDER_NOT_EXIST", 404)
        return self._close(order) if action == "close" else self._describe(number, order)

    def _start(self, wish: dict[str, Any]) -> Response:
        self.started.append(wish)
        order = self.orders.setdefault(wish["out_trade_no"], PlatformOrder(wish))
        if order.state != "NOTPAY":
            return refusal("ORDERPAID" if order.state == "SUCCESS" else "ORDER_CLOSED")
        if order.wish != wish:
            return refusal("INVALID_REQUEST")
        return signed({"code_url": f"weixin://wxpay/bizpayurl?pr=code{len(self.started)}"})

    def _close(self, order: PlatformOrder) -> Response:
        if order.state != "NOTPAY":
            return refusal("ORDERPAID" if order.state == "SUCCESS" else "ORDER_CLOSED")
        order.state = "CLOSED"
        return signed(None, status=204)

    def _describe(self, number: str, order: PlatformOrder) -> Response:
        paid = {"transaction_id": order.number} if order.state == "SUCCESS" else {"transaction_id": None}
        time = {} if order.state == "SUCCESS" else {"success_time": None}
        total = order.wish["amount"]["total"]
        amount = {"total": total, "payer_total": total, "currency": "CNY"}
        return signed(trade(out_trade_no=number, trade_state=order.state, amount=amount, **paid, **time))


def wechat_platform(server: HTTPServer) -> WeChatPlatform:
    """The platform behind all paths of this server."""
    platform = WeChatPlatform(server)
    server.expect_request(f"{_TRADES}/native", method="POST").respond_with_handler(platform.answer)
    server.expect_request(_ANY_TRADE).respond_with_handler(platform.answer)
    return platform
