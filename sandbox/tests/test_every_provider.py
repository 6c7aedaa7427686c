"""What holds for each provider alike: the control page, faults of the way, and a memory made by an older sandbox."""

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from sandbox.store import Store
from sandbox.tests.nobody import nobody
from sandbox.tests.running import Running, call, wait_for
from sandbox.tests.test_alipay import pay_url
from sandbox.tests.test_unionpay import front, signed
from sandbox.tests.test_webhook import order
from sandbox.tests.test_wechatpay import by_hand
from sandbox.trading import refunds, trades


def begin_alipay(box: Running, reference: str, notify: str) -> None:
    answer = call("GET", pay_url(box, reference, notify_url=notify))
    call("GET", box.url + answer.headers["location"])


def begin_wechatpay(box: Running, reference: str, notify: str) -> None:
    account = box.account("wechatpay")
    content = {
        "appid": account["appid"], "mchid": account["mchid"], "description": "杯", "out_trade_no": reference,
        "notify_url": notify, "amount": {"total": 19900, "currency": "CNY"},
    }  # fmt: skip
    url = f"{account['gateway_url']}/v3/pay/transactions/native"
    assert by_hand(account, "POST", url, content=json.dumps(content).encode()).status == 200


def begin_unionpay(box: Running, reference: str, notify: str) -> None:
    assert front(box.account("unionpay"), reference, backUrl=notify, txnAmt="19900").status == 303


def begin_webhook(box: Running, reference: str, notify: str) -> None:
    assert box.webhook("pay", order(reference, notify_url=notify, amount="199.00")).status == 200


BEGIN: dict[str, Callable[[Running, str, str], None]] = {
    "alipay": begin_alipay,
    "wechatpay": begin_wechatpay,
    "unionpay": begin_unionpay,
    "webhook": begin_webhook,
}
ACCEPT = {"alipay": "success", "wechatpay": "", "unionpay": "ok", "webhook": ""}
each_provider = pytest.mark.parametrize("provider", list(BEGIN))


def listen(httpserver: HTTPServer, path: str, *, answer: str = "") -> str:
    httpserver.expect_request(path, method="POST").respond_with_data(answer)
    return str(httpserver.url_for(path))


def bodies(httpserver: HTTPServer, path: str) -> list[bytes]:
    return [request.get_data() for request, _ in httpserver.log if request.path == path]


@each_provider
def test_control_page_pays_a_waiting_trade(box: Running, provider: str) -> None:
    reference = f"PAGE{provider.upper():0>12}"
    BEGIN[provider](box, reference, f"{nobody()}/notify")
    panel = call("GET", f"{box.url}/control/panel").text
    (row,) = (row for row in panel.split("<tr>") if reference in row and "POST /control/pay" in row)
    assert f'class="provider {provider}"' in row
    assert box.control("pay", reference=reference).json["state"] == "paid"
    assert box.control("refund", reference=reference, amount="9.00").json["state"] == "paid"
    wait_for(lambda: box.trade(reference)["refunded"] == "9.00")
    panel = call("GET", f"{box.url}/control/panel").text
    (row,) = (row for row in panel.split("<tr>") if reference in row and "POST /control/reverse" in row)
    assert "已付款" in row
    assert box.control("reverse", reference=reference).json["state"] == "reversed"


@each_provider
def test_duplicate_drop_and_delay(box: Running, httpserver: HTTPServer, provider: str) -> None:
    reference, path = f"WAYS{provider.upper():0>12}", f"/e/{provider}"
    BEGIN[provider](box, reference, listen(httpserver, path, answer=ACCEPT[provider]))
    target = f"{provider}.notify"
    box.control("faults", target=target, fault="drop")
    box.control("faults", target=target, fault="delay", value=0.3)
    begun = time.monotonic()
    box.control("pay", reference=reference)
    wait_for(lambda: bodies(httpserver, path))
    assert time.monotonic() - begun >= 0.3
    wait_for(lambda: box.deliveries(reference)[0]["state"] == "done")
    assert [bool(one["faults"]) for one in box.deliveries(reference)[0]["attempts"]] == [True, False]
    before = len(bodies(httpserver, path))
    box.control("faults", target=target, fault="duplicate", value=3)
    box.control("notify", reference=reference)
    wait_for(lambda: len(bodies(httpserver, path)) == before + 3)


def query(box: Running, provider: str) -> Any:
    """A question of ours; raises OSError when the line goes dead."""
    if provider == "alipay":
        query = box.merchant().sign_data(
            box.merchant().build_body("alipay.trade.query", {"out_trade_no": "A"})
        )
        return call("GET", f"{box.url}/alipay/gateway.do?{query}")
    if provider == "webhook":
        return box.webhook("query", {"reference": "A"})
    account = box.account(provider)
    if provider == "wechatpay":
        return by_hand(account, "GET", f"{account['gateway_url']}/v3/certificates")
    fields = signed(account, txnType="00", txnSubType="00", orderId="NOBODY0000000001")
    body = "&".join(f"{name}={value}" for name, value in fields.items()).replace("+", "%2B").encode()
    return call("POST", f"{account['gateway_url']}/queryTrans.do", body=body)


@each_provider
def test_faults_of_a_gateway(box: Running, provider: str) -> None:
    target = f"{provider}.gateway"
    box.control("faults", target=target, fault="status_500")
    assert query(box, provider).status == 500
    for name in ("drop", "timeout"):
        box.control("faults", target=target, fault=name, value=0)
        with pytest.raises(OSError, match="closed connection"):
            query(box, provider)
    good = query(box, provider)
    box.control("faults", target=target, fault="corrupt_signature")
    bad = query(box, provider)
    assert (good.status, bad.status) == (200, 200)
    assert box.state["faults"] == []


def test_store_of_an_older_version_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.sqlite3"
    old = sqlite3.connect(path)
    old.executescript(
        """
        CREATE TABLE trades (
            id INTEGER PRIMARY KEY, provider TEXT NOT NULL, merchant TEXT NOT NULL, reference TEXT NOT NULL,
            provider_reference TEXT NOT NULL UNIQUE, token TEXT NOT NULL UNIQUE, fen INTEGER NOT NULL,
            currency TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL, created_at REAL NOT NULL,
            expires_at REAL NOT NULL, opened_at REAL, paid_at REAL, closed_at REAL,
            refunded_fen INTEGER NOT NULL DEFAULT 0, notify_url TEXT NOT NULL, return_url TEXT NOT NULL,
            extra TEXT NOT NULL, UNIQUE (provider, merchant, reference));
        CREATE TABLE refunds (
            id INTEGER PRIMARY KEY, trade_id INTEGER NOT NULL, reference TEXT NOT NULL, fen INTEGER NOT NULL,
            total_fen INTEGER NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL, UNIQUE (trade_id, reference));
        INSERT INTO trades VALUES (1, 'alipay', 'M', 'OLD1', 'P1', 'T1', 100, 'CNY', 's', 'paid', 1, 2, 1, 1, NULL,
            40, '', '', '{}');
        INSERT INTO refunds VALUES (1, 1, 'R1', 40, 40, '', 5.0);
        """
    )
    old.close()
    for _start in range(2):
        store = Store(path)
        trade = trades.latest_of(store, "OLD1")
        assert trade is not None
        refund = refunds.find(store, trade, reference="R1")
        assert refund is not None
        assert (refund.state, refund.total_fen, refunds.taken(store, trade)) == ("succeeded", 40, 40)
        store.close()
