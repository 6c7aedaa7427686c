"""How the theme of the back office is set up; the settings take it over. Imports no models: it is read before them."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "ordersite",
    "SITE_HEADER": "ordersite",
    "SITE_SUBHEADER": _("the order back office"),
    "SITE_URL": "/",
    "SHOW_LANGUAGES": True,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "ordersite.admin.fill_home",
    "STYLES": [lambda _request: static("ordersite/admin.css")],
    "ACCOUNT": {
        "navigation": [
            {"title": _("Change password"), "link": reverse_lazy("admin:password_change")},
            {"title": _("Security"), "link": reverse_lazy("security")},
        ]
    },
    "LOGIN": {"redirect_after": lambda _request: reverse_lazy("admin:index")},
    "SIDEBAR": {"show_search": True, "navigation": "ordersite.admin.sidebar"},
}
