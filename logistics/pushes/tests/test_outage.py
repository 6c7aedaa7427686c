"""A database that is away while carriers push: «not now» in their words, and they repeat. No broker is needed."""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from logistics.accounts import save_account
from logistics.carriers.sf.tests.account import sample
from logistics.models import CarrierNotification
from logistics.pushes.tests.senders import build_sender, message, said
from orders.tests.builders import build_merchant
from ordersite.tests.migrated import fill
from ordersite.tests.outage import hold_lock, shop_on
from sandbox.tests.nobody import nobody
from scripts.services import new_folder, start_postgres

pytestmark = pytest.mark.postgres

SHOP = """
import json, sys, time
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from logistics.pushes.tests.senders import build_sender, message, said
from orders.tests.builders import build_merchant
sender = build_sender(build_merchant())
sender.push(b"nonsense")
print("ready", flush=True)
for line in sys.stdin:
    started = time.perf_counter()
    answer = sender.push(message(f"YT123456789012{int(line)}", [said(0, "picked_up", "已揽收")]))
    seconds = time.perf_counter() - started
    print(json.dumps([answer.status_code, answer.content.decode(), seconds]), flush=True)
"""
UNAVAILABLE = '{"code": "unavailable"}'


@pytest.mark.kill
def test_stopped_database_is_503_till_it_is_back_and_no_broker_is_needed() -> None:
    """Redis and the broker are away the whole time: what is stored is stored, and answered."""
    server = start_postgres(new_folder("outage") / "postgres")
    fill(server.url)
    away = nobody().replace("http://", "redis://") + "/0"
    try:
        with shop_on(server.url, SHOP, REDIS_URL=away, CELERY_BROKER_URL=away) as shop:
            assert shop.post(0)[:2] == (204, "")
            server.kill()
            for _try in range(3):
                status, body, seconds = shop.post(1)
                assert (status, body) == (503, UNAVAILABLE)
                assert seconds < 1
            server.start()
            assert shop.post(1)[:2] == (204, "")
    finally:
        server.stop()


def sf_address() -> str:
    data = {
        "partner_id": "P",
        "checkword": "CW",
        "monthly_card": "7551234567",
        "gateway_url": "https://sf.example",
    }
    saved = save_account("outage", carrier="sf", merchant=build_merchant(), data=data)
    return "/" + saved.push_url.split("/", 3)[3]


@pytest.mark.django_db(transaction=True)
def test_locked_table_is_503_in_the_carriers_words() -> None:
    address, sender = sf_address(), build_sender(build_merchant())
    forms = (
        (urlencode({"content": sample("push.xml").decode()}).encode(), "application/x-www-form-urlencoded"),
        (sample("push.json"), "application/json"),
    )
    locked, free = threading.Event(), threading.Event()
    holder = threading.Thread(target=hold_lock, args=(CarrierNotification, locked, free))
    holder.start()
    locked.wait()
    refused: list[Any] = [Client().post(address, body, content_type=kind) for body, kind in forms]
    other: Any = sender.push(message("YT1234567890123", [said(0, "picked_up", "已揽收")]))
    free.set()
    holder.join()

    assert [answer.status_code for answer in (*refused, other)] == [503, 503, 503]
    assert b"<Head>ERR</Head>" in refused[0].content
    assert refused[1].json()["return_code"] == "1000"
    assert other.content.decode() == UNAVAILABLE
    assert not CarrierNotification.objects.exists()
    assert all(Client().post(address, body, content_type=kind).status_code == 200 for body, kind in forms)
