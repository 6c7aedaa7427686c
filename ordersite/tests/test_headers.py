"""What the headers of answers say to a browser, beyond what the access matrix demands of every address."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from ordersite.tests.access import build_world

pytestmark = pytest.mark.django_db


def policy_of(path: str, client: Client | None = None) -> dict[str, str]:
    """The directives of an address's content policy."""
    policy = (client or Client()).get(path).headers["Content-Security-Policy"]
    return {name: sources for name, _, sources in (part.partition(" ") for part in policy.split("; "))}


def test_a_page_loads_what_is_ours_alone() -> None:
    assert policy_of("/accounts/login/") == {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self'",
        "font-src": "'self'", "connect-src": "'self'", "form-action": "'self'", "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }  # fmt: skip
    assert policy_of("/no-such-page/") == policy_of("/accounts/login/")


def test_theme_compiles_attributes_alone() -> None:
    theme = policy_of("/admin/login/")
    assert (theme["script-src"], theme["style-src-attr"]) == ("'self' 'unsafe-eval'", "'unsafe-inline'")
    assert "'unsafe-inline'" not in theme["style-src"]
    assert theme["form-action"] == "'self'"


@pytest.mark.parametrize(
    ("demo", "places"),
    [(False, "'self' https:"), (True, "'self' https: http://127.0.0.1:* http://localhost:*")],
)
def test_forms_lead_to_cashiers_where_one_pays(settings: Any, demo: bool, places: str) -> None:
    settings.DEMO_SHOP = demo
    values = build_world()
    pages = [f"/pay/order/{values['<token>']}/", f"/pay/return/{values['<reference>']}/"]
    assert [policy_of(page)["form-action"] for page in pages] == [places, places]
    assert policy_of(f"/track/{values['<token>']}/")["form-action"] == "'self'"


def test_files_for_everybody_may_be_kept() -> None:
    answer = Client().get("/static/ordersite/site.css")
    assert answer.status_code == 200
    assert "public" in answer.headers["Cache-Control"]
    assert policy_of("/static/ordersite/icon.svg")["default-src"] == "'none'"


def test_api_answers_and_refusals_are_not_kept() -> None:
    for path in ("/api/v1/orders/", "/api/v1/no-such/", "/shop/orders/", "/accounts/password/"):
        assert Client().get(path).headers["Cache-Control"] == "private, no-store"
