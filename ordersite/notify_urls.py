"""The addresses of a process that takes providers' calls and nothing else (SERVES=notify).

/notify/ itself is answered by a middleware before any of these. No log-in, no pages, no API: what is not here cannot be
attacked here, and a page that somebody exports takes no thread from a provider's call.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

urlpatterns = [path("", include("ordersite.health.urls"))]


def not_here(_request: HttpRequest, exception: Exception) -> HttpResponse:
    """The usual page of a missing address leads to pages that are elsewhere."""
    return HttpResponse(b"", status=404, content_type="text/plain")


handler404 = "ordersite.notify_urls.not_here"
