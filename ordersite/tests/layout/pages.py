"""The pages of the product: found in the URLconf and the admin's registry, each with who may see it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.test import Client

from ordersite.roles import ROLES
from ordersite.tests.access import VISITORS, Route, routes
from ordersite.tests.layout.world import LayoutWorld

# Addresses that somebody may open and that are no page, or are looked at elsewhere: a pattern of routes, the reason.
NO_PAGE: Mapping[str, str] = {
    r"/accounts/logout/|/admin/logout/": "takes a POST and leads away",
    r"/accounts/security/(other-sessions|recovery-codes|switch-off)/": "takes a POST",
    r"/admin/<url>": "the page for an unknown address is walked as /no-such-page/",
    r"/admin/jsi18n/": "a script",
    r"/admin/autocomplete/": "for a script",
    r"/admin/orders/order/<int:object_id>/phone/": "takes a POST; it shows the order's page",
    r"/admin/orders/order/find/": "leads to the list or to the one order",
    r"/admin/r/<path:content_type_id>/<path:object_id>/": "leads to pages on other sites, of which there are none",
    r"/admin/search/": "a part of the theme's search box, not a page",
    r"/admin/\w+/\w+/<path:object_id>/": "leads to the row's page",
    r"/admin/.*/(export|progress)/": "a file or numbers for a script",
    r"/admin/.*/file/<int:file_id>/": "a file that a person handed in",
    r"/admin/.*/<int:object_id>/file/": "a file to print",
    r"/api/docs/": "drawn by Swagger UI in the browser",
    r"/api/.*": "for programs",
    r"/favicon.ico|.*/qr\.svg": "a picture",
    r"/healthz|/readyz|/metrics": "for machines",
    r"/i18n/setlang/": "leads back to the page",
    r"/pay/return/<reference>/state/|/track/<token>/state/": "for the script of the page",
}
# Lists are looked at a second time with nothing in them, and with a tab or form that has another face.
MORE: Mapping[str, Sequence[str]] = {
    "/accounts/security/code/": ("?recovery=1",),
    "/admin/orders/order/": ("?q=nothing-like-it",),
    "/admin/orders/holdreview/": ("?state=all",),
    "/admin/payments/paymentnotification/": ("?q=nothing-like-it",),
    "/admin/payments/paymentexception/": ("?state=all",),
    "/admin/orders/minutecount/": ("?span=week",),
    "/admin/automation/automationrule/add/": ("?example=stalled", "?example=unshipped"),
    "/admin/bulk_jobs/bulkjob/<path:object_id>/change/": ("?result=stopped", "?result=failed&p=2"),
    "/admin/orders/riskstrategy/simulation/": ("?kind=address&window=1&unit=3600&threshold=1",),
    "/shop/orders/": ("?q=nothing-like-it", "?status=closed"),
    "/shop/stock/": ("?q=nothing-like-it", "?level=none"),
}
# Who sees most comes first.
SEE_MOST = ("superuser", *ROLES, "merchant", "anonymous")
# Pages whose buttons, lists and numbers follow from a person's rights.
_DIFFERS = re.compile(
    r"/|/accounts/security/|/admin/|/admin/<app_label>/|/admin/\w+/\w+/(<path:object_id>/change/)?|/track/<token>/"
)
Table = Mapping[tuple[str, str], Mapping[str, int]]
# Routes whose further rows are worth a look each: the row's page, not the questions before its actions.
_ROW_PAGE = re.compile(r"/admin/(\w+)/(\w+)/<path:object_id>/change/")


@dataclass(frozen=True, slots=True)
class PageAddress:
    """An address with real values in it, and the route that it belongs to."""

    route: str
    path: str


@dataclass(frozen=True, slots=True)
class PageView:
    """What one visitor is shown at an address: what is said there, apart from what differs at each look."""

    visitor: str
    said: str


def differs_by_role(route: str) -> bool:
    return bool(_DIFFERS.fullmatch(route))


def reason_for_no_page(route: str) -> str:
    return next((reason for pattern, reason in NO_PAGE.items() if re.fullmatch(pattern, route)), "")


def addresses(world: LayoutWorld, table: Table) -> list[PageAddress]:
    """Return every address of every page that the access table opens to somebody."""
    found = [
        address
        for route in routes()
        if allowed_at(route.text, table)
        for address in _addresses_of(route, world)
    ]
    return list(dict.fromkeys(found))


def _addresses_of(route: Route, world: LayoutWorld) -> Iterator[PageAddress]:
    if reason_for_no_page(route.text):
        return
    for values in _values(route, world):
        yield PageAddress(route.text, route.path({**world.values, **values}))
    for query in MORE.get(route.text, ()):
        yield PageAddress(route.text, route.path(world.values) + query)


def _values(route: Route, world: LayoutWorld) -> Iterator[Mapping[str, str]]:
    if route.text in world.own:
        yield world.own[route.text]
        return
    owner = _ROW_PAGE.fullmatch(route.text)
    keys = [f"{owner[1]}.{owner[2]}"] if owner else [key for key in world.others if key in route.text]
    for key in keys:
        yield from ({key: value} for value in world.others.get(key, ()))
    yield {}


def clients(world: LayoutWorld) -> dict[str, Client]:
    """Return a logged-in client for each visitor."""
    found = {}
    for visitor in VISITORS:
        found[visitor] = Client()
        if user := world.visitors[visitor]:
            found[visitor].force_login(user)
    return found


def view_of(address: PageAddress, visitor: str, client: Client) -> PageView | None:
    """Return what a visitor is shown there; None where that is no page."""
    answer = client.get(address.path)
    if not is_page(answer):
        return None
    return PageView(visitor, said(answer.content.decode()))


def views_of(address: PageAddress, visitors: Mapping[str, Client], allowed: Sequence[str]) -> list[PageView]:
    """Return what each of those is shown who may open it, the fullest view first."""
    views = [view_of(address, visitor, visitors[visitor]) for visitor in allowed]
    return sorted((view for view in views if view), key=lambda view: len(view.said), reverse=True)


def who_sees_most(address: PageAddress, visitors: Mapping[str, Client], table: Table) -> str:
    """Return the first of `SEE_MOST` whom the table gives the page, else the first who is shown one here."""
    statuses = table["GET", address.route]
    for visitor in SEE_MOST:
        if statuses[visitor] == 200:
            return visitor
    allowed = allowed_at(address.route, table)
    return next((one for one in allowed if view_of(address, one, visitors[one])), "")


def allowed_at(route: str, table: Table) -> list[str]:
    """Return who may open a route, who sees most of it first; who is asked to log in may not. `table`: who may."""
    statuses = table["GET", route]
    return [
        visitor
        for visitor in SEE_MOST
        if statuses[visitor] not in (401, 403, 405)
        and not (visitor == "anonymous" and statuses[visitor] == 302)
    ]


def is_page(answer: Any, *, expected: int = 200) -> bool:
    is_html = answer.headers.get("Content-Type", "").startswith("text/html")
    return answer.status_code == expected and is_html and b"<html" in answer.content.lower()


def said(html: str) -> str:
    """Return the content of a page without its frame, its tokens and its numbers."""
    start = max(html.find('id="content"'), 0)
    text = re.sub(r'(name="csrfmiddlewaretoken"|name="idempotency_key") value="[^"]*"', "", html[start:])
    return re.sub(r"\d+", "0", text)
