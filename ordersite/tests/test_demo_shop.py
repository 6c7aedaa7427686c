"""The demonstration shop with its sandbox: accounts at every provider, and a buyer who scans WeChat Pay's code."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from orders.models import Merchant, Order, OrderStatus
from ordersite.demo.seed import seed
from ordersite.lib.errors import DomainError
from payments.models import Payment, PaymentAccount
from sandbox.accounts import write_accounts
from sandbox.config import Settings
from sandbox.tests.running import Running, call, started

ACCOUNTS = ["demo-alipay", "demo-alipay-cert", "demo-unionpay", "demo-webhook", "demo-wechatpay"]
FORM = {
    "name": "王小明", "phone": "13800138000", "province": "浙江省", "city": "杭州市", "district": "西湖区",
    "street": "文三路 138 号", "quantity": "1",
}  # fmt: skip


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("var") / "sandbox"
    with started(folder) as running:
        write_accounts(Settings(folder=folder, port=int(running.url.rpartition(":")[2])))
        yield running


@pytest.fixture
def shop(box: Running, settings: Any) -> Path:
    settings.DEMO_SHOP = True
    assert len(seed(sandbox_url=box.url, folder=box.folder)) == 10
    return box.folder


def buy(account: str, **headers: str) -> str:
    key = str(uuid.uuid4())
    reply = Client(headers=headers).post("/checkout/", {**FORM, "account": account, "idempotency_key": key})
    assert reply.status_code == 302, reply.content.decode()
    return reply.headers["Location"]


@pytest.mark.django_db
def test_checkout_keeps_the_buyers_address(shop: Path) -> None:
    buy("demo-webhook", **{"x-forwarded-for": "198.51.100.7, 203.0.113.9"})
    assert Order.objects.get().client_ip == "203.0.113.9"


@pytest.mark.django_db
def test_an_older_demonstration_is_topped_up(box: Running, shop: Path) -> None:
    assert list(PaymentAccount.objects.order_by("slug").values_list("slug", flat=True)) == ACCOUNTS
    PaymentAccount.objects.exclude(slug="demo-alipay").delete()
    kept = PaymentAccount.objects.get()
    assert seed(sandbox_url="http://127.0.0.1:8999", folder=shop) == []
    assert PaymentAccount.objects.count() == 5
    assert PaymentAccount.objects.get(slug="demo-alipay").pk == kept.pk
    moved = PaymentAccount.objects.get(slug="demo-wechatpay").config
    assert moved["gateway_url"] == "http://127.0.0.1:8999/wechatpay"


@pytest.mark.django_db
def test_second_shop_joins_the_demonstration(box: Running, shop: Path, settings: Any) -> None:
    settings.IS_EMBEDDED = False
    second = Merchant.objects.create(slug="second", name="第二家店")
    User.objects.get(username="viewer").delete()

    made = seed(sandbox_url=box.url, folder=shop)

    assert [login.username for login in made] == ["viewer"]
    assert list(PaymentAccount.objects.order_by("slug").values_list("slug", flat=True)) == ACCOUNTS
    assert not PaymentAccount.objects.filter(merchant=second).exists()


@pytest.mark.django_db
def test_no_demonstration_among_real_shops(box: Running, settings: Any) -> None:
    settings.DEMO_SHOP, settings.IS_EMBEDDED = True, False
    Merchant.objects.create(slug="real", name="真店")

    with pytest.raises(DomainError, match="not_for_this_database"):
        seed(sandbox_url=box.url, folder=box.folder)

    assert (Merchant.objects.count(), PaymentAccount.objects.count(), User.objects.count()) == (1, 0, 0)

    # The embedded database is the demonstration's own.
    settings.IS_EMBEDDED = True
    assert len(seed(sandbox_url=box.url, folder=box.folder)) == 10


@pytest.mark.django_db
def test_demo_false_wins_on_the_embedded_database(box: Running, shop: Path, settings: Any) -> None:
    settings.DEMO_SHOP, settings.IS_EMBEDDED = False, True
    User.objects.get(username="viewer").delete()

    with pytest.raises(DomainError, match="not_for_this_database"):
        seed(sandbox_url=box.url, folder=shop)

    assert not User.objects.filter(username="viewer").exists()
    assert Client().get("/checkout/").status_code == 404


@pytest.mark.django_db
def test_every_role_has_its_people(shop: Path) -> None:
    people = {
        user.username: (sorted(user.groups.values_list("name", flat=True)), user.email)
        for user in User.objects.filter(is_staff=True, is_superuser=False)
    }

    assert people == {
        name: ([name.rstrip("2")], f"{name}@shop.example")
        for name in (
            "agent", "supervisor", "finance", "finance2", "operations", "operations2", "auditor", "viewer",
        )
    }  # fmt: skip


@pytest.mark.django_db
def test_people_of_an_older_demonstration_get_addresses(box: Running, shop: Path) -> None:
    User.objects.filter(username__in=("finance", "admin")).update(email="")
    User.objects.filter(username="agent").update(email="agent@own.test")
    User.objects.get(username="finance2").delete()

    made = seed(sandbox_url=box.url, folder=shop)

    assert [login.username for login in made] == ["finance2"]
    addresses = dict(User.objects.values_list("username", "email"))
    assert (addresses["finance"], addresses["admin"], addresses["agent"]) == (
        "finance@shop.example",
        "admin@shop.example",
        "agent@own.test",
    )


@pytest.mark.django_db
def test_new_logins_are_added_to_the_file(box: Running, shop: Path, settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    (tmp_path / "sandbox").symlink_to(shop)
    (tmp_path / "demo-logins.txt").write_text(
        "finance        finance      old\nfinance2       finance2     old\n"
    )
    User.objects.get(username="finance2").delete()

    call_command("seed_demo", stdout=StringIO())

    lines = [line.split() for line in (tmp_path / "demo-logins.txt").read_text().splitlines()]
    assert lines[0] == ["finance", "finance", "old"]
    assert [line[1] for line in lines] == ["finance", "finance2"]
    assert User.objects.get(username="finance2").check_password(lines[1][2])


@pytest.mark.django_db
def test_checkout_offers_existing_accounts(shop: Path) -> None:
    page = Client().get("/checkout/", headers={"Accept-Language": "zh-hans"}).content.decode()
    assert [page.count(f'value="{slug}"') for slug in ACCOUNTS] == [1] * 5
    assert [page.index(word) > 0 for word in ("支付宝", "微信支付", "银联")] == [True] * 3
    assert page.count(" checked") == 1
    PaymentAccount.objects.filter(slug__in=("demo-alipay", "demo-unionpay")).update(is_active=False)
    page = Client().get("/checkout/").content.decode()
    assert [page.count(f'value="{slug}"') for slug in ACCOUNTS] == [0, 1, 0, 1, 1]
    assert page.count(" checked") == 1


@pytest.mark.django_db(transaction=True)
def test_scanned_code_moves_the_page_on(box: Running, shop: Path) -> None:
    page_url = buy("demo-wechatpay")
    payment = Payment.objects.get()
    assert page_url == f"/pay/return/{payment.reference}/"
    page = Client().get(page_url).content.decode()
    assert ('data-state="waiting"' in page, f"{page_url}qr.svg" in page) == (True, True)
    assert f'href="{payment.code_url}"' in page
    code = Client().get(f"{page_url}qr.svg")
    assert (code.status_code, code.headers["Content-Type"]) == (200, "image/svg+xml")

    assert call("POST", f"{payment.code_url}/pay").status == 200
    Payment.objects.update(last_query_at=None)
    assert Client().get(f"{page_url}state/").json() == {"state": "paid"}
    assert Order.objects.get().status == OrderStatus.PAID
    assert "qr.svg" not in Client().get(page_url).content.decode()
    assert Client().get(f"{page_url}qr.svg").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_unionpay_is_opened_by_a_form(box: Running, shop: Path) -> None:
    payment_page = buy("demo-unionpay")
    payment = Payment.objects.get()
    assert payment_page.endswith(f"/pay/go/{payment.reference}/")
    page = Client().get(f"/pay/go/{payment.reference}/").content.decode()
    assert f'action="{box.url}/unionpay/frontTransReq.do"' in page
    assert 'name="signature"' in page


@pytest.mark.django_db
def test_duplicate_leads_to_the_first_order(shop: Path) -> None:
    buyer = Client(headers={"Accept-Language": "zh-hans"})

    def submit(**headers: str) -> Any:
        form = {**FORM, "account": "demo-alipay", "idempotency_key": str(uuid.uuid4())}
        return buyer.post("/checkout/", form, headers=headers)

    assert submit().status_code == 302
    order = Order.objects.get()
    refused = submit()
    address = f"/pay/order/{order.tracking_token}/"
    link = f'<a class="button" href="{address}">去付款</a>'
    assert (refused.status_code, link in refused.content.decode()) == (409, True)
    answer = submit(Accept="application/json").json()
    assert (answer["code"], answer["order_url"], answer["order_label"]) == (
        "duplicate_suspected",
        address,
        "去付款",
    )
    assert Order.objects.count() == 1

    Order.objects.update(close_due_at=order.created_at)
    answer = submit(Accept="application/json").json()
    assert (answer["order_url"], answer["order_label"]) == (f"/track/{order.tracking_token}/", "查看该订单")


@pytest.mark.django_db
def test_another_way_after_silence_is_one_order(box: Running, shop: Path) -> None:
    buyer, key = Client(headers={"Accept": "application/json"}), str(uuid.uuid4())
    box.control("faults", target="wechatpay.gateway", fault="status_500", times=None)
    try:
        form = {**FORM, "idempotency_key": key}
        down = buyer.post("/checkout/", {**form, "account": "demo-wechatpay"})
        order = Order.objects.get()
        assert (down.status_code, down.json()["code"]) == (502, "provider_unavailable")
        assert down.json()["order_url"] == f"/pay/order/{order.tracking_token}/"
        other = buyer.post("/checkout/", {**form, "account": "demo-alipay"})
    finally:
        box.control("faults", "DELETE")
    assert (other.status_code, Order.objects.count()) == (201, 1)
    assert other.json()["next"] == Payment.objects.get(account__slug="demo-alipay").pay_url
