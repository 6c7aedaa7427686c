"""Every address of the product; provider calls under /notify/ are answered before this by a middleware."""

from __future__ import annotations

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from ordersite import language
from ordersite.api.urls import not_found_urlpatterns
from ordersite.installation.page import installation

urlpatterns = [
    # Browsers ask for it on pages that name no icon.
    path(
        "favicon.ico",
        RedirectView.as_view(url=static("ordersite/icon.svg"), http_method_names=["get", "head"]),
    ),
    path("admin/installation/", admin.site.admin_view(installation), name="installation"),
    path("admin/", admin.site.urls),
    path("i18n/setlang/", language.switch, name="set_language"),
    path("", include("ordersite.health.urls")),
    path("", include("ordersite.api.urls")),
    path("", include("payments.urls")),
    path("", include("logistics.urls")),
    path("", include("ordersite.people.urls")),
    path("", include("ordersite.merchant.urls")),
    path("", include("ordersite.demo.urls")),
    *not_found_urlpatterns,
]
