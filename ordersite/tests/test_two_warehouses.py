"""One order from two warehouses, by real HTTP and in a real browser: split, instructed, two waybills, two routes, done."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import expect, sync_playwright

from ordersite.tests.chromium import launch_options
from ordersite.tests.site import Site, eventually, whole_site
from ordersite.tests.test_browser import DESKTOP, PHONE, log_in, open_page, shot
from scripts.services import new_folder

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
# What each warehouse has: neither has all.
STOCK = {"hz": {"cup": 5, "tea": 5, "lid": 0}, "gz": {"cup": 0, "tea": 0, "lid": 5}}
WAREHOUSES = {"hz": ("杭州仓", ["浙江省"], "sf"), "gz": ("广州仓", ["广东省", "浙江省"], "zto")}

# The carriers want a sender, which stands on the warehouse's page.
SENDERS = """
from logistics.models import Warehouse
main = Warehouse.objects.get(slug="main")
fields = ("sender_name", "sender_phone", "province", "city", "district", "street")
Warehouse.objects.exclude(slug="main").update(**{name: getattr(main, name) for name in fields})
Warehouse.objects.filter(slug="gz").update(province="广东省", city="广州市", district="白云区")
"""


class Erp:
    """The client of a shop and of its warehouses: nothing but the HTTP API."""

    def __init__(self, site: Site) -> None:
        scopes = ("orders:write", "orders:read", "shipments:write")
        printed = site.manage("add_api_client", "--merchant", "demo", *(f"--scope={one}" for one in scopes))
        headers = {"Authorization": f"Bearer {printed.split()[-1]}"}
        self.http = httpx2.Client(base_url=f"{site.url}/api/v1/", headers=headers, timeout=20)

    def call(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        key = {"Idempotency-Key": uuid.uuid4().hex}
        answer = self.http.request(method, path, json=body, headers=key)
        assert answer.status_code == status, answer.text
        return answer.json()

    def report_stock(self) -> None:
        rows = [
            {"warehouse": slug, "product_id": product, "on_hand": number}
            for slug, levels in STOCK.items()
            for product, number in levels.items()
        ]
        results = self.call("POST", "stock/", {"levels": rows})["results"]
        assert {row["code"] for row in results} == {"ok"}

    def buy(self) -> dict[str, Any]:
        goods = (("cup", "保温杯", 1), ("tea", "龙井茶", 2), ("lid", "杯盖", 1))
        body = {
            "buyer": {"id": "b1", "name": "王小明", "phone": "13800138000"},
            "lines": [
                {"product_id": product, "name": name, "quantity": number, "unit_price": "10.00"}
                for product, name, number in goods
            ],
            "address": {
                "province": "浙江省",
                "city": "杭州市",
                "district": "西湖区",
                "street": "文三路 1 号",
            },
        }
        order: dict[str, Any] = self.call("POST", "orders/", body, status=201)
        return order

    def pay(self, site: Site, number: str) -> None:
        wanted = {"provider": "webhook", "account": "demo-webhook"}
        payment = self.call("POST", f"orders/{number}/payments/", wanted, status=201)
        paid = httpx2.post(
            f"{site.sandbox_url}/control/pay", json={"pay_url": payment["pay_url"]}, timeout=10
        )
        assert paid.status_code == 200, paid.text

    def fetch(self, slug: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", f"dispatches/?warehouse={slug}")["dispatches"]
        return found

    def send(self, slug: str, instruction: dict[str, Any]) -> str:
        """Acknowledge an instruction and order its waybill, which confirms the parcel."""
        acks = {"acks": [{"id": instruction["id"], "ok": True}]}
        assert self.call("POST", "dispatches/ack/", acks)["results"][0]["code"] == "ok"
        carrier = WAREHOUSES[slug][2]
        lines = [
            {"product_id": row["product_id"], "quantity": row["quantity"]} for row in instruction["lines"]
        ]
        wanted = {"carrier": carrier, "account": f"demo-{carrier}", "warehouse": slug, "lines": lines}
        made = self.call("POST", f"orders/{instruction['order']}/waybills/", wanted, status=201)
        return str(made["tracking_number"])

    def status(self, number: str) -> str:
        return str(self.call("GET", f"orders/{number}/")["status"])


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A site whose demonstration warehouse ships nothing: the test's own two do."""
    folder = new_folder("warehouses")
    quick = {"SANDBOX_PARCEL_SECONDS": "10", "SANDBOX_SHIP_SECONDS": "9000", "TRACKING_POLL_HOURS": "0.0015"}
    with whole_site(folder / "site", servers={}, extra=quick) as running:
        for slug, (name, regions, _carrier) in WAREHOUSES.items():
            file = folder / f"{slug}.json"
            file.write_text(json.dumps({"name": name, "regions": regions, "adapter": "pull", "cost": "5.00"}))
            running.manage("set_warehouse", slug, "--merchant", "demo", "--from-json", str(file))
        running.manage("shell", "-v0", "-c", SENDERS)
        running.start("sandbox", "web", "worker", "outside", "beat")
        running.wait_for_sandbox()
        running.wait_until_up()
        yield running


def test_three_products_come_from_two_warehouses(site: Site) -> None:
    erp = Erp(site)
    erp.report_stock()
    order = erp.buy()
    erp.pay(site, order["number"])

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**launch_options(site.port, site.sandbox_port))
        phone, desk = open_page(chromium, PHONE), open_page(chromium, DESKTOP)
        log_in(site, desk, "agent", "/admin/")
        tracking = urlsplit(order["links"]["tracking"]).path

        assert eventually(lambda: erp.fetch("hz") and erp.fetch("gz"), 30)
        desk.goto(f"{site.url}/admin/logistics/dispatch/")
        expect(desk.locator("#result_list")).to_contain_text("杭州仓")
        expect(desk.locator("#result_list")).to_contain_text("广州仓")
        shot(desk, "dispatch-board")

        (first,), (second,) = erp.fetch("hz"), erp.fetch("gz")
        assert {row["product_id"]: row["quantity"] for row in first["lines"]} == {"cup": 1, "tea": 2}
        assert {row["product_id"]: row["quantity"] for row in second["lines"]} == {"lid": 1}
        numbers = [erp.send("hz", first)]
        assert erp.status(order["number"]) == "paid"
        phone.goto(f"{site.url}{tracking}")
        expect(phone.locator(".partly")).to_be_visible()
        numbers.append(erp.send("gz", second))
        assert erp.status(order["number"]) == "shipped"

        phone.goto(f"{site.url}{tracking}")
        for number in numbers:
            expect(phone.locator("main")).to_contain_text(number)
        expect(phone.locator(".way-map figure.route svg")).to_have_count(2, timeout=30_000)
        shot(phone, "two-warehouses-phone")
        assert eventually(lambda: erp.status(order["number"]) == "completed", 60)
        phone.goto(f"{site.url}{tracking}")
        expect(phone.locator(".parcel-head.tone-good")).to_have_count(2)
        expect(phone.locator(".way-map figure.route svg")).to_have_count(2)
        shot(phone, "two-warehouses-signed-phone")
        desk.goto(f"{site.url}{tracking}")
        shot(desk, "two-warehouses-signed-desktop")
        desk.goto(f"{site.url}/admin/logistics/dispatch/?state=shipped")
        expect(desk.locator("#result_list tbody tr")).to_have_count(2)
        chromium.close()
