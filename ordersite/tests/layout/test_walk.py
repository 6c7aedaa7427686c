"""Every page fits its window and can be read: phone and desktop, both languages, light and dark."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from csp.utils import build_policy
from django.conf import settings as configured
from django.db import transaction
from django.template.loader import render_to_string
from django.test import Client
from django.test.signals import template_rendered
from django.utils import translation
from playwright.sync_api import expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from ordersite.tests.access import routes
from ordersite.tests.chromium import launch_options
from ordersite.tests.layout.pages import (
    NO_PAGE,
    PageView,
    addresses,
    allowed_at,
    clients,
    differs_by_role,
    is_page,
    reason_for_no_page,
    views_of,
    who_sees_most,
)
from ordersite.tests.layout.test_style_sheets import ROOT
from ordersite.tests.layout.walk import COMBINATIONS, FORBIDDEN, Combination, Visit, Walk, in_each_language
from ordersite.tests.layout.world import LayoutWorld, build_layout_world
from ordersite.tests.test_access import read_matrix

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800), pytest.mark.django_db(transaction=True)]
ERROR_PAGES = (
    "400.html", "403.html", "403_csrf.html", "500.html", "people/busy.html", "logistics/link_over.html",
    "logistics/too_often.html",
)  # fmt: skip
# Sent by mail, and no page.
MAILS = {"messaging/mail.html"}
# Pages that only answer a form: who sends what to which address.
ANSWERS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("anonymous", "/accounts/login/", {"username": "nobody", "password": "wrong"}),
    ("anonymous", "/admin/login/", {"username": "nobody", "password": "wrong"}),
    ("anonymous", "/accounts/login/", {"username": "someone", "password": "wrong"}),
    ("anonymous", "/checkout/", {"name": "", "idempotency_key": "x"}),
    (
        "merchant",
        "/accounts/password/",
        {"old_password": "wrong", "new_password1": "1", "new_password2": "2"},
    ),
    ("superuser", "/accounts/security/code/", {"code": "0"}),
    ("superuser", "/accounts/security/set-up/", {"code": "0"}),
    ("superuser", "/accounts/security/recovery-codes/", {}),
    ("merchant", "/accounts/password-again/", {"password_again": "wrong"}),
    ("merchant", "/shop/webhooks/add/", {"url": "ftp://erp.example.com/", "events": "order.paid"}),
    ("merchant", "/shop/webhooks/add/", {"url": "https://erp.example.com/hooks", "events": "order.paid"}),
    ("superuser", "/admin/orders/apiclient/add/", {}),
    (
        "superuser",
        "/admin/orders/apiclient/add/",
        {"merchant": "orders.merchant", "name": "ERP 2", "scopes": "orders:read"},
    ),
    ("superuser", "/admin/payments/paymentaccount/add/", {}),
    ("superuser", "/admin/payments/statement/add/", {}),
    (
        "superuser",
        "/admin/logistics/waybillorder/",
        {"action": "show_labels", "_selected_action": "logistics.waybillorder"},
    ),
    ("superuser", "/admin/bulk_jobs/bulkjob/add/", {}),
    ("superuser", "/admin/automation/automationrule/add/", {"conditions-TOTAL_FORMS": "x"}),
    (
        "superuser",
        "/admin/orders/holdreview/",
        {"action": "close_held", "_selected_action": "orders.holdreview"},
    ),
    (
        "superuser",
        "/admin/logistics/shipment/",
        {"action": "poll_first", "_selected_action": "logistics.shipment"},
    ),
)

# A style that breaks the tracking page, and what has to be said of it.
BROKEN = (
    (".journey { display: flex }", "list items stand beside one another"),
    (".journey { display: flex }", "is narrower than four characters"),
    ("main.page { width: 860px }", "is wider than its window"),
    (".parcel-note { width: 60px; white-space: nowrap; overflow: hidden }", "text is cut"),
    (
        ".parcel-note { width: 60px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis }",
        "text is cut",
    ),
    (".parcel { height: 90px }", "text is cut"),
    (".journey { white-space: nowrap; overflow-x: auto }", "has to be scrolled sideways"),
    (".journey p { color: #8886 }", "hardly stands out"),
)


@pytest.fixture
def origin(live_server: LiveServer, settings: Any) -> str:
    origin = f"http://127.0.0.1:{live_server.thread.port}"
    settings.PUBLIC_BASE_URL, settings.DEMO_SHOP = origin, True
    settings.TRACKING_VIEWS_A_MINUTE = 10_000
    return origin


@pytest.fixture
def world(origin: str) -> LayoutWorld:
    return build_layout_world()


@pytest.fixture
def visitors(world: LayoutWorld) -> dict[str, Client]:
    return clients(world)


@pytest.fixture
def walk(origin: str, visitors: dict[str, Client]) -> Walk:
    sessions = {name: None if name == "anonymous" else client.session for name, client in visitors.items()}
    return Walk(origin, sessions)


def plan(world: LayoutWorld, visitors: Mapping[str, Client]) -> tuple[list[Visit], list[str]]:
    """Return the visits of one walk, and the routes where nobody is shown a page.

    Who sees most of a page sees it in all combinations; where a page differs by role, each who is shown something
    else sees one of its addresses in one combination.
    """
    visits: list[Visit] = []
    seen, table, shown = set[str](), read_matrix(), Counter[str]()
    for address in addresses(world, table):
        shown[address.route] += 1
        views: list[PageView] = []
        if differs_by_role(address.route) and shown[address.route] == 1:
            views = views_of(address, visitors, allowed_at(address.route, table))
        visitor = views[0].visitor if views else who_sees_most(address, visitors, table)
        if not visitor:
            continue
        seen.add(address.route)
        visits += in_each_language(visitor, address.path)
        others = {view.said: view.visitor for view in views[1:] if view.said != views[0].said}
        for step, other in enumerate(others.values(), start=len(visits)):
            visits += in_each_language(other, address.path, [COMBINATIONS[step % len(COMBINATIONS)]])
    return visits, sorted(shown.keys() - seen)


def without_address(world: LayoutWorld, visitors: Mapping[str, Client]) -> Iterator[Visit]:
    """Yield the pages of errors, and what answers a form."""
    yield from in_each_language("superuser", "/no-such-page/", status=404)
    for combinations in ((COMBINATIONS[0], COMBINATIONS[1]), (COMBINATIONS[2], COMBINATIONS[3])):
        with translation.override(combinations[0].language):
            for name in ERROR_PAGES:
                html = render_to_string(name)
                yield Visit("anonymous", f"/{name}", combinations, html, build_policy())
        yield from answers(world, visitors, combinations)


def answers(
    world: LayoutWorld, visitors: Mapping[str, Client], combinations: tuple[Combination, ...]
) -> Iterator[Visit]:
    """Yield what the forms answer; what they did is taken back. A value that names a model is its row in the world."""
    for number, (visitor, path, data) in enumerate(ANSWERS):
        client = visitors[visitor]
        client.cookies[configured.LANGUAGE_COOKIE_NAME] = combinations[0].language
        with transaction.atomic():
            answer = client.post(path, {key: world.values.get(value, value) for key, value in data.items()})
            transaction.set_rollback(True)
        del client.cookies[configured.LANGUAGE_COOKIE_NAME]
        assert is_page(answer, expected=answer.status_code), f"{path} {data} is answered without a page"
        policy = answer.headers["Content-Security-Policy"]
        yield Visit(visitor, f"{path}#{number}", combinations, answer.content.decode(), policy)


def test_every_page_fits_its_window(world: LayoutWorld, visitors: dict[str, Client], walk: Walk) -> None:
    drawn: set[str] = set()

    def note(template: Any, **_context: Any) -> None:
        drawn.add(template.name)

    template_rendered.connect(note)
    try:
        visits, missing = plan(world, visitors)
        visits += without_address(world, visitors)
        faults = walk.faults(visits)
    finally:
        template_rendered.disconnect(note)
    assert missing == [], "a route without a page has an entry with its reason in NO_PAGE"
    ours = {path.relative_to(ROOT / "templates").as_posix() for path in (ROOT / "templates").rglob("*.html")}
    assert sorted(ours - drawn - MAILS) == [], "no page of the walk draws these templates"
    assert not faults, f"{len(faults)} faults:\n" + "\n".join(faults)


@pytest.mark.long
def test_everybody_sees_pages_that_fit(world: LayoutWorld, visitors: dict[str, Client], walk: Walk) -> None:
    table = read_matrix()
    visits = [
        visit
        for address in addresses(world, table)
        for view in views_of(address, visitors, allowed_at(address.route, table))
        for visit in in_each_language(view.visitor, address.path)
    ]

    faults = walk.faults(visits)

    assert not faults, f"{len(faults)} faults:\n" + "\n".join(faults)


def test_a_broken_style_is_noticed(world: LayoutWorld, walk: Walk) -> None:
    path = f"/track/{world.others['<token>'][-4]}/"
    broken = [
        Visit("anonymous", f"{path}?{number}", COMBINATIONS[:2], style=style)
        for number, (style, _rule) in enumerate(BROKEN)
    ]

    faults = walk.faults([Visit("anonymous", path, COMBINATIONS[:2]), *broken])

    found = [
        (style, rule)
        for number, (style, rule) in enumerate(BROKEN)
        if any(fault.startswith(f"{path}?{number} ") and f"] {rule}: " in fault for fault in faults)
    ]
    assert found == list(BROKEN)
    assert [fault for fault in faults if fault.startswith(f"{path} ")] == []


@pytest.mark.parametrize(
    "forbidden", ["<script>1</script>", "<p style='margin: 0'>x</p>", "<img src='//x.test/'>"]
)
def test_what_a_policy_forbids_is_a_fault(walk: Walk, forbidden: str) -> None:
    with translation.override("zh-hans"):
        html = render_to_string("404.html").replace("</main>", f"{forbidden}</main>")

    faults = walk.faults([Visit("anonymous", "/x", COMBINATIONS[:1], html, build_policy())])

    assert len([fault for fault in faults if FORBIDDEN in fault]) == 1


def test_page_of_the_api_is_drawn_under_its_policy(origin: str) -> None:
    said: list[str] = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**launch_options(int(origin.rpartition(":")[2])))
        page = chromium.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"{origin}/api/docs/")
        page.locator(".opblock").first.click()
        expect(page.get_by_role("button", name="Try it out")).to_be_visible()
        chromium.close()

    assert [text for text in said if FORBIDDEN in text] == []


def test_reasons_are_still_needed() -> None:
    texts = [route.text for route in routes()]
    assert [one for one in NO_PAGE if not any(re.fullmatch(one, text) for text in texts)] == []
    assert reason_for_no_page("/track/<token>/") == ""
