"""Kinds of untrue or unreadable words, looked for on every page of the back office and in the sources."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone, translation

from orders import machine
from orders.about import actor_labels
from orders.changes import Move
from orders.history.lines import Actor, Evidence
from orders.labels import NOTES, note_label
from orders.machine import Action
from orders.models import ApiClient, Order, OrderEvent
from orders.tests.builders import apply_changes, build_merchant, build_order, build_order_in
from ordersite.lib.durations import time_since, time_until
from ordersite.queue.models import Delivery
from ordersite.tests.access import build_world
from payments.cases import desk
from payments.models import PaymentException, PaymentNotification

Kind = PaymentException.Kind
ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    path
    for app in ("ordersite", "orders", "payments", "logistics", "templates")
    for path in sorted((ROOT / app).rglob("*"))
    if path.suffix in (".py", ".html") and not {"tests", "migrations"} & set(path.parts)
]


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def text_of(client: Client, address: str, **query: str) -> str:
    answer = client.get(address, query)
    assert answer.status_code == 200, address
    return answer.content.decode()


# --- money ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_sums_have_a_sign_on_every_page(root: Client) -> None:
    values = build_world()
    bare = re.compile(r"(?<![¥\d,.\"])\b199\.00\b")
    found = []
    for model, shown in admin.site._registry.items():
        stem = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        pk = values[f"{model._meta.app_label}.{model._meta.model_name}"]
        for address in (stem, f"{stem}{pk}/change/"):
            answer = root.get(address)
            if answer.status_code == 200 and bare.search(answer.content.decode()):
                found.append(f"{address} {type(shown).__name__}")
    assert found == []


def test_one_place_writes_the_yuan_sign() -> None:
    # They take the sign off again.
    readers = {"ordersite/automation/admin/values.py", "payments/admin/notification_filters.py"}
    found = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if "¥" in re.sub(r'"""[\s\S]*?"""', "", path.read_text(encoding="utf-8"))
        and "payments/reconciliation/readers" not in str(path)
    ]
    assert sorted(set(found) - readers) == ["ordersite/lib/money.py"]


# --- times ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "不到 1 分钟"), (59, "不到 1 分钟"), (60, "1 分钟"), (8040, "2 小时，14 分钟")]
)
def test_no_time_takes_zero_minutes(seconds: int, words: str) -> None:
    now = timezone.now()
    away = timedelta(seconds=seconds)

    with translation.override("zh-hans"):
        said = [time_since(now - away, now), time_until(now + away, now)]

    assert [one.replace("\xa0", " ") for one in said] == [words, words]


def test_time_that_is_over_is_not_zero_minutes_away() -> None:
    now = timezone.now()

    with translation.override("en"):
        assert time_until(now - timedelta(hours=1), now) == "less than a minute"


def test_durations_come_from_one_place() -> None:
    direct = re.compile(r"django\.utils\.timesince|\|timesince|\|timeuntil")
    found = [
        str(path.relative_to(ROOT)) for path in SOURCES if direct.search(path.read_text(encoding="utf-8"))
    ]
    assert found == ["ordersite/lib/durations.py"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("model", "over"), [(PaymentNotification, "done_at"), (Delivery, "parked_at")], ids=["done", "parked"]
)
def test_what_is_over_has_no_next_try(root: Client, model: Any, over: str) -> None:
    label = f"{model._meta.app_label}.{model._meta.model_name}"
    address = f"/admin/{label.replace('.', '/')}/{build_world()[label]}/change/"
    due_at = timezone.now() + timedelta(days=3)
    model.objects.update(due_at=due_at)
    shown = f'datetime="{timezone.localtime(due_at).isoformat(timespec="seconds")}"'

    ended = shown in text_of(root, address)
    model.objects.update(**{over: None})

    assert (ended, shown in text_of(root, address)) == (False, True)


# --- names instead of numbers and codes ---------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_api_client_is_called_by_its_name(root: Client) -> None:
    order = build_order()
    client = ApiClient.objects.create(
        merchant=build_merchant(), name="演示仓库 ERP", token_digest="ab", token_hint="x", scopes=[]
    )
    line = OrderEvent(seq=1, actor_kind="client", actor_id=str(client.pk))
    person = OrderEvent(seq=2, actor_kind="staff", actor_id=str(client.pk))
    gone = OrderEvent(seq=3, actor_kind="client", actor_id="999999")

    with translation.override("zh-hans"):
        labels = actor_labels([line, person, gone])

    assert labels == {1: "API 客户端 演示仓库 ERP", 2: f"客服 {client.pk}", 3: "API 客户端 999999"}
    assert Order.objects.get() == order


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/admin/orders/order/{order}/change/", "/admin/orders/orderevent/"])
def test_pages_name_the_client(root: Client, address: str) -> None:
    client = ApiClient.objects.create(
        merchant=build_merchant(), name="演示仓库 ERP", token_digest="ab", token_hint="x", scopes=[]
    )
    order = build_order()
    by_client = Actor("client", str(client.pk))
    apply_changes(Move(order.pk, Action.PAY, machine.NOTIFICATION, by_client, Evidence("test", "1", "ab")))

    shown = text_of(root, address.format(order=order.pk))

    assert ("API 客户端 演示仓库 ERP" in shown, f"API 客户端 {client.pk}" in shown) == (True, False)


def test_own_notes_are_in_the_readers_language() -> None:
    own = {desk.REFUNDED, desk.REPLAYED, desk.HEALED, desk.ANSWERED}

    with translation.override("zh-hans"):
        translated = {note: note_label(note) for note in NOTES}

    assert own <= set(NOTES)
    assert [note for note, words in translated.items() if words == note] == []
    assert note_label("买家不要了") == "买家不要了"


# --- lists and filters ------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "is_filtered"),
    [({}, False), ({"state": "resolved"}, True), ({"q": "20261122-XXXX-0001"}, True)],
)
def test_empty_list_speaks_of_filters_where_one_is_set(
    root: Client, query: dict[str, str], is_filtered: bool
) -> None:
    shown = text_of(root, "/admin/payments/paymentexception/", **query)

    assert ("可清除筛选" in shown, "没有要显示的记录" in shown) == (is_filtered, not is_filtered)


@pytest.mark.django_db
def test_timeline_offers_topics_that_have_entries(root: Client) -> None:
    order = build_order_in("paid")

    answer: Any = root.get(f"/admin/orders/order/{order.pk}/change/")

    topics = [code for code, _label in answer.context["topics"]]
    there = {entry.topic for entry, _words, _url in answer.context["timeline"]}
    assert topics[0] == "all"
    assert set(topics[1:]) == there
    assert "message" not in topics


# --- the home page ----------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_harmless_cases_come_last_and_are_not_red(root: Client) -> None:
    for number, kind in enumerate((Kind.BAD_SIGNATURES, Kind.ALREADY_PAID, Kind.ORDER_CLOSED)):
        PaymentException.objects.create(
            kind=kind, dedup_key=kind, created_at=timezone.now() - timedelta(hours=9 - number)
        )

    tiles = [(tile.label, tile.tone) for tile in root.get("/admin/").context["queues"]]

    assert tiles == [
        (Kind.ALREADY_PAID.label, "bad"),
        (Kind.ORDER_CLOSED.label, "bad"),
        (Kind.BAD_SIGNATURES.label, "plain"),
    ]


@pytest.mark.django_db
def test_tile_of_waiting_notifications_leads_to_them(root: Client) -> None:
    tile = root.get("/admin/").context["lights"][0]

    assert tile.url == "/admin/payments/paymentnotification/?outcome=waiting"


@pytest.mark.django_db
def test_how_long_a_case_has_waited(root: Client) -> None:
    created = timezone.now() - timedelta(hours=5)
    PaymentException.objects.create(kind=Kind.POISON, dedup_key="x", created_at=created)
    waiting = text_of(root, "/admin/payments/paymentexception/")

    PaymentException.objects.update(resolved_at=created + timedelta(minutes=9))
    resolved = text_of(root, "/admin/payments/paymentexception/", state="resolved")

    said = [text.replace("\xa0", " ") for text in (waiting, resolved)]
    assert [">5 小时</time>" in said[0], ">9 分钟</time>" in said[1]] == [True, True]
