"""Hidden digits of a phone cannot be found by searching: whole numbers only, few a minute, each recorded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from orders import phone_search
from orders.models import MerchantMember, Order, PhoneLook
from orders.tests.builders import build_merchant, build_order
from ordersite.lib.errors import DomainError

pytestmark = pytest.mark.django_db

PHONE = "13812345678"
FIND, LIST, SHOP = "/admin/orders/order/find/", "/admin/orders/order/", "/shop/orders/"
PARTS = (
    "138", "1381234", "13812345", "138 1234 567", "138****5678", "138%5678", "138_____678", "1381234567", "+138123456",
    "00861381234567", "0086138", "12345678",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _english(settings: Any) -> None:
    settings.LANGUAGE_CODE = "en"


@pytest.fixture
def order() -> Order:
    order = build_order()
    Order.objects.filter(pk=order.pk).update(buyer_phone=PHONE)
    return order


def staff(role: str) -> Client:
    user = User.objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def member() -> Client:
    user = User.objects.create_user("member")
    MerchantMember.objects.create(merchant=build_merchant(), user=user)
    client = Client()
    client.force_login(user)
    return client


def shown(client: Client, address: str, term: str, order: Order) -> bool:
    """Whether the search names the order, by its page or in a list."""
    answer = client.get(address, {"q": term}, follow=True)
    return answer.status_code == 200 and order.number in answer.content.decode()


SEARCHES: Any = pytest.mark.parametrize(
    ("who", "address"), [("viewer", FIND), ("viewer", LIST), ("operations", LIST), ("member", SHOP)]
)


def client_of(who: str) -> Client:
    return member() if who == "member" else staff(who)


@SEARCHES
def test_part_of_a_phone_finds_nothing(who: str, address: str, order: Order) -> None:
    client = client_of(who)
    assert [term for term in PARTS if shown(client, address, term, order)] == []


@SEARCHES
def test_whole_phone_finds_and_is_recorded_once(who: str, address: str, order: Order) -> None:
    client = client_of(who)
    assert shown(client, address, "+86 138-1234-5678", order)
    [look] = PhoneLook.objects.all()
    assert (look.username, look.order_id, len(look.searched)) == (who, order.pk, 16)
    assert PHONE not in look.searched
    assert shown(client, address, "+86 138-1234-5678", order)
    assert PhoneLook.objects.count() == 1


@SEARCHES
def test_guesses_end_after_twenty_a_minute(who: str, address: str, order: Order) -> None:
    client = client_of(who)
    for middle in range(20):
        client.get(address, {"q": f"138{middle:04d}5678"}, follow=True)
    assert PhoneLook.objects.count() == 20

    assert not shown(client, address, PHONE, order)
    assert "limited to 20 numbers a minute" in client.get(address, {"q": PHONE}, follow=True).content.decode()

    PhoneLook.objects.update(looked_at=timezone.now() - timedelta(seconds=61))
    assert shown(client, address, PHONE, order)
    assert PhoneLook.objects.count() == 21


def test_other_people_and_other_numbers_are_not_limited(order: Order) -> None:
    viewer = staff("viewer")
    for middle in range(20):
        viewer.get(LIST, {"q": f"138{middle:04d}5678"})
    assert shown(viewer, LIST, order.number, order)
    assert shown(staff("operations"), LIST, PHONE, order)


def test_right_to_see_phones_searches_parts(order: Order) -> None:
    agent = staff("agent")
    assert shown(agent, LIST, "13812345", order)
    assert PhoneLook.objects.count() == 0


@pytest.mark.parametrize(
    "query",
    [{"buyer_phone__startswith": "138"}, {"buyer_phone": PHONE}, {"buyer__phone__regex": "^138"}, {"o": "5"}],
)
def test_list_has_no_other_way_to_the_phone(query: dict[str, str], order: Order) -> None:
    Order.objects.filter(pk=build_order().pk).update(buyer_phone="13900000000")
    answer = staff("viewer").get(LIST, query, follow=True)
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        assert order.number in answer.content.decode()
        assert answer.context["cl"].result_count == 2


def test_part_is_answered_with_a_reason(order: Order) -> None:
    page = staff("viewer").get(LIST, {"q": "13812345"}).content.decode()
    assert "all digits of a phone" in page


def test_waybill_numbers_are_not_recorded(order: Order) -> None:
    viewer = staff("viewer")
    for term in ("75312345678901", "4200002345202611281234567890", "SF1234567890123"):
        viewer.get(LIST, {"q": term})
    assert PhoneLook.objects.count() == 0


def test_every_caller_is_limited(order: Order) -> None:
    user = User.objects.create_user("direct", is_staff=True)
    for middle in range(20):
        phone_search.find(f"138{middle:04d}5678", user)
    with pytest.raises(DomainError) as refused:
        phone_search.find(PHONE, user)
    assert refused.value.code == "too_many_phone_searches"
