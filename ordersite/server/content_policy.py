"""What a page may load and where its forms may lead, in the terms of django-csp.

One strict policy holds for every response; a view whose page cannot do with it says what it needs more. Nothing inline
runs or styles anywhere, except what is known by its hash.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_update
from django.conf import settings
from django.http import HttpResponseBase

Directives = dict[str, Any]
View = TypeVar("View", bound=Callable[..., HttpResponseBase])

EVERY_PAGE: Directives = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF],
    "font-src": [SELF],
    "connect-src": [SELF],
    "form-action": [SELF],
    "frame-ancestors": [NONE],
    "base-uri": [NONE],
}
# Style elements of others' templates and scripts, by their hashes: Chromium names the new one when a version changes it.
THEME_COLOURS = "'sha256-CftXQ/6rIQ3AMOrJUsQzoK+KGLgk4scJJlfXyvE/1mQ='"
HTMX_INDICATOR = "'sha256-bsV5JivYxvGywDAZ22EZJKBFip65Ng9xoJVLbBg7bdo='"
SWAGGER_BOXES = "'sha256-MMpT0iDxyjALd9PdfepImGX3DBfJPXZ4IlDWdPAgtn0='"
# The theme's scripts (Alpine) compile what stands in the attributes of the page, and write into style attributes.
THEME: Directives = {
    "script-src": [UNSAFE_EVAL],
    "style-src-attr": [UNSAFE_INLINE],
    "style-src": [THEME_COLOURS, HTMX_INDICATOR],
}
# Swagger UI draws with pictures in its own style sheet.
API_PAGE: Directives = {"style-src": [SWAGGER_BOXES], "img-src": ["data:"]}


def themed(view: View) -> View:
    """Cover a view whose page is drawn by the theme of the back office."""
    return csp_update(THEME)(view)  # type: ignore[return-value]


def api_page(view: View) -> View:
    """Cover the view of Swagger UI."""
    return csp_update(API_PAGE)(view)  # type: ignore[return-value]


def leads_to_cashier(view: View) -> View:
    """Let the forms of a view's page lead to a provider's cashier, over any hosts that the provider chooses.

    A browser applies the rule to redirects too, and the cashiers' own are known to nobody else. Cashiers without https
    exist on the machine itself only, in the demonstration.
    """

    @wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> HttpResponseBase:
        on_this_machine = ["http://127.0.0.1:*", "http://localhost:*"] if settings.DEMO_SHOP else []
        response = view(*args, **kwargs)
        response._csp_update = {"form-action": ["https:", *on_this_machine]}  # type: ignore[attr-defined]
        return response

    return wrapped  # type: ignore[return-value]
