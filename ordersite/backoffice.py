"""The admin site of the back office, whose pages the theme's content policy covers."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.sites import UnfoldAdminSite

from ordersite.server.content_policy import themed

View = Callable[..., HttpResponse]


class BackOffice(UnfoldAdminSite):
    """Refuses logged-in people who are not staff; Django would show them the log-in form again."""

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        inner = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.user.is_authenticated and not self._may_enter(request):
                raise PermissionDenied
            return inner(request, *args, **kwargs)

        return update_wrapper(themed(guarded), inner)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return themed(super().login)(request, extra_context)

    def _may_enter(self, request: HttpRequest) -> bool:
        return self.has_permission(request) or request.path == reverse(f"{self.name}:logout")
