"""A fake of WeChat Pay's gateway on a real port: verifies our signature, signs its responses with wechatpayv3."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from wechatpayv3.utils import rsa_verify
from werkzeug import Request
from werkzeug import Response as HttpResponse

from ordersite.lib.errors import OutsideError
from payments.providers.types import AccountKeys, Attempt, RefundInstruction
from payments.providers.wechatpay.tests.messages import (
    CERTIFICATE,
    MCHID,
    OWN_SERIAL,
    SIGN_TYPE,
    TRANSACTION,
    Signer,
    account,
    rsa_key,
    signed_headers,
    without_none,
)

REFERENCE = "7F3K2026112200420001"
TRADE = f"/v3/pay/transactions/out-trade-no/{REFERENCE}"
CLOSE, NATIVE, JSAPI = f"{TRADE}/close", "/v3/pay/transactions/native", "/v3/pay/transactions/jsapi"
REFUNDS = "/v3/refund/domestic/refunds"
ATTEMPT = Attempt(
    reference=REFERENCE,
    amount=Decimal("266.40"),
    subject="订单 20261122-7F3K/0042",
    created_at=datetime(2026, 11, 22, 6, 1, 40, tzinfo=UTC),
    expires_at=datetime(2026, 11, 22, 6, 31, 40, 999, tzinfo=UTC),
    notify_url="https://shop.example/notify/wechatpay/demo-wechatpay/",
)
ORDER = RefundInstruction(
    reference=REFERENCE,
    refund_reference="R20261122000001",
    amount=Decimal("88.80"),
    payment_amount=Decimal("266.40"),
    requested_at=datetime(2026, 11, 22, tzinfo=UTC),
    notify_url="https://shop.example/notify/wechatpay/demo-wechatpay/",
    reason="买家退货",
)
FORGED = ("provider_answer_refused", True, False)
_FIELD = re.compile(r'(\w+)="([^"]*)"')


def keys_for(server: HTTPServer, **changes: Any) -> AccountKeys:
    return account(gateway_url=server.url_for(""), **changes)


def respond(server: HTTPServer, path: str, *responses: HttpResponse, method: str = "GET") -> None:
    """Give these responses to requests of this path, in this order, and the last one from then on."""
    left = list(responses)

    def handle(request: Request) -> HttpResponse:
        check_request(request)
        return left.pop(0) if len(left) > 1 else left[0]

    server.expect_request(path, method=method).respond_with_handler(handle)


def check_request(request: Request) -> None:
    """Verify our signature over what arrived, by the rules of the platform; an AssertionError becomes a 500."""
    scheme, _blank, rest = request.headers["Authorization"].partition(" ")
    fields = dict(_FIELD.findall(rest))
    assert scheme == SIGN_TYPE
    assert (fields["mchid"], fields["serial_no"]) == (MCHID, OWN_SERIAL)
    assert abs(int(fields["timestamp"]) - datetime.now(UTC).timestamp()) < 300
    target = request.environ["REQUEST_URI"]
    lines = [request.method, target, fields["timestamp"], fields["nonce_str"], request.get_data().decode()]
    first, rest_of_text = lines[0] + "\n" + lines[1], "\n".join(lines[3:])
    # rsa_verify joins three lines: the first two of ours are passed as one, and the last two.
    key = rsa_key("merchant").public_key()
    assert rsa_verify(first, lines[2], rest_of_text, fields["signature"], key)
    assert request.headers["Accept"] == "application/json"
    assert request.headers["User-Agent"]


def signed(
    content: Any, *, status: int = 200, by: Signer = CERTIFICATE, late: timedelta = timedelta(0)
) -> HttpResponse:
    """A signed response of the platform; None is an empty body."""
    body = b"" if content is None else json.dumps(content, ensure_ascii=False).encode()
    headers = signed_headers(body, by=by, at=datetime.now(UTC) - late)
    return HttpResponse(body, status=status, headers=headers, content_type="application/json")


def unsigned(content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return HttpResponse(
        json.dumps(content), status=status, headers=dict(headers or {}), content_type="application/json"
    )


def refusal(code: str, status: int = 400) -> HttpResponse:
    return signed({"code": code, "message": "说明"}, status=status)


def trade(**changes: Any) -> dict[str, Any]:
    """The content of a query's response about REFERENCE; a change to None leaves a field out."""
    return without_none({**TRANSACTION, **changes})


def sent(server: HTTPServer, number: int = 0) -> Any:
    """The body of a request that arrived."""
    return json.loads(server.log[number][0].get_data())


def outside_error(provoke: Callable[[], object]) -> tuple[str, bool, bool]:
    """Code, retryable and outcome_known of the `OutsideError`."""
    with pytest.raises(OutsideError) as caught:
        provoke()
    return caught.value.code, caught.value.retryable, caught.value.outcome_known
