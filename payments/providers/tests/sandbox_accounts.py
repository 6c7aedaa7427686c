"""Builders for tests with the sandbox: accounts that speak to it, attempts that it knows, orders that want to close."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from orders import lifecycle, machine
from orders.clients import add_client
from orders.models import Merchant, Order
from orders.tests.builders import build_merchant, build_order
from ordersite import relay
from ordersite.lib.errors import DomainError
from payments.accounts.save import save_account
from payments.attempts.start import start_attempt
from payments.models import Payment, PaymentAccount
from payments.polling import poll
from sandbox.tests.running import APP_ID, SELLER_ID, Running, call, private_pem


def boxed_alipay(
    box: Running, slug: str = "demo-alipay", *, merchant: Merchant | None = None
) -> PaymentAccount:
    values = {
        "app_id": APP_ID,
        "seller_id": SELLER_ID,
        "gateway_url": f"{box.url}/alipay/gateway.do",
        "app_private_key": private_pem(box.app_key),
        "alipay_public_key": box.alipay_public_pem().decode(),
    }
    return save_account(slug, provider="alipay", merchant=merchant or build_merchant(), values=values)


def boxed_webhook(
    box: Running, slug: str = "demo-webhook", *, merchant: Merchant | None = None
) -> PaymentAccount:
    calls = {f"{name}_url": f"{box.url}/webhook/{name}" for name in ("pay", "query", "close", "refund")}
    values = {"secret": box.webhook_secret(), **calls}
    return save_account(slug, provider="webhook", merchant=merchant or build_merchant(), values=values)


def boxed_attempt(account: PaymentAccount, *, order: Order | None = None) -> Payment:
    """An attempt as the buyer begins it; the sandbox's cashier has not been opened yet."""
    return start_attempt(order or build_order(merchant=account.merchant), account).payment


def open_cashier(box: Running, payment: Payment) -> None:
    """What the buyer's browser does with the address; Alipay knows the trade from then on."""
    answer = call("GET", payment.pay_url)
    if answer.status in (302, 303):
        answer = call("GET", box.url + answer.headers["location"])
    assert answer.status == 200, answer.text


def pay_at(box: Running, payment: Payment) -> None:
    answer = box.control("pay", pay_url=payment.pay_url)
    assert answer.status == 200, answer.text


def want_closed(order: Order, *, trigger: str = machine.TIMEOUT) -> None:
    """Ask for the order to be closed and carry the request to payments, as the relay does."""
    with transaction.atomic():
        lifecycle.request_close(
            list(lifecycle.lock([order.pk]).values()), trigger=trigger, actor=lifecycle.SYSTEM, reason="test"
        )
    relay.run_relay()


def make_due(payment: Payment, **columns: Any) -> None:
    """Have the lane ask for it now; `columns` move its times."""
    PaymentAccount.objects.update(resting_until=None)
    Payment.objects.filter(pk=payment.pk).update(next_query_at=timezone.now(), **columns)


def ask_lane(payment: Payment, **columns: Any) -> Payment:
    make_due(payment, **columns)
    poll.ask_providers()
    return fresh(payment)


def fresh(payment: Payment) -> Payment:
    return Payment.objects.select_related("order", "account").get(pk=payment.pk)


def long_ago(**ago: float) -> Any:
    return timezone.now() - timedelta(**ago)


def api(merchant: Merchant | None = None, *scopes: str) -> Client:
    """A test client with a token of the merchant."""
    shop = merchant or build_merchant()
    _client, token = add_client(shop, name="shop", scopes=scopes or ("orders:write", "orders:read"))
    return Client(headers={"Authorization": f"Bearer {token}"})


def wish(account: PaymentAccount) -> dict[str, str]:
    """The body of the payment call."""
    return {"provider": account.provider, "account": account.slug}


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """The works in threads that begin together; a refusal is an outcome like any other, a fault is raised here."""
    barrier, outcomes = threading.Barrier(len(works)), list[Any]([None] * len(works))

    def run(number: int) -> None:
        try:
            barrier.wait()
            outcomes[number] = works[number]()
        except DomainError as error:
            outcomes[number] = error.code
        except BaseException as error:
            outcomes[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes
