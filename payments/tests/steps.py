"""Steps that tests of several rooms take: poll now, request closing, reload a row, run calls at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.test import Client
from django.utils import timezone

from orders import machine
from orders.changes import RequestClose
from orders.clients import add_client
from orders.history.lines import SYSTEM
from orders.models import Merchant, Order
from orders.tests.builders import apply_changes, build_merchant
from ordersite import relay
from ordersite.lib.errors import DomainError
from payments.models import Payment, PaymentAccount
from payments.polling import poll


def request_close(order: Order, *, trigger: str = machine.TIMEOUT) -> None:
    """Request that the order be closed and carry the request to payments, as the relay does."""
    apply_changes(RequestClose(order.pk, trigger, SYSTEM, "test"))
    relay.run_relay()


def make_due(payment: Payment, **columns: Any) -> None:
    """Make the attempt due for a poll; `columns` change its other columns, such as its times."""
    PaymentAccount.objects.update(next_call_at=None)
    Payment.objects.filter(pk=payment.pk).update(next_query_at=timezone.now(), **columns)


def poll_now(payment: Payment, **columns: Any) -> Payment:
    """The attempt after it was made due and polled."""
    make_due(payment, **columns)
    poll.poll_providers()
    return fresh(payment)


def fresh(payment: Payment) -> Payment:
    """The attempt as the database has it, with its order and its account."""
    return Payment.objects.select_related("order", "account").get(pk=payment.pk)


def long_ago(**ago: float) -> datetime:
    return timezone.now() - timedelta(**ago)


def api_client(merchant: Merchant | None = None, *scopes: str) -> Client:
    """A test client with a token of the merchant."""
    shop = merchant or build_merchant()
    _client, token = add_client(shop, name="shop", scopes=scopes or ("orders:write", "orders:read"))
    return Client(headers={"Authorization": f"Bearer {token}"})


def start_body(account: PaymentAccount) -> dict[str, str]:
    """The body of the API call that starts an attempt."""
    return {"provider": account.provider, "account": account.slug}


def run_together(*calls: Callable[[], Any]) -> list[Any]:
    """The results of the calls, run in threads that begin at the same time.

    A `DomainError` counts as a result, by its code; any other exception is raised here.
    """
    barrier, results = threading.Barrier(len(calls)), list[Any]([None] * len(calls))

    def run(number: int) -> None:
        try:
            barrier.wait()
            results[number] = calls[number]()
        except DomainError as error:
            results[number] = error.code
        except BaseException as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
