"""Ends sessions in time, and keeps who has not taken the second step from every page but that step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from ordersite.people import password_again, second_step, sessions
from ordersite.people.models import Authenticator

# They read no session: API tokens, probes. Static files are answered before.
_FOR_PROGRAMS = ("/api/v1/", "/healthz", "/readyz", "/metrics", "/favicon.ico")
_ALWAYS_OPEN = ("login", "logout", "admin:login", "admin:logout", "set_language")
View = Callable[..., HttpResponse]


class PeopleMiddleware:
    """Stands behind Django's AuthenticationMiddleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not _has_login(request):
            return self.get_response(request)
        if sessions.is_over(request.session):
            logout(request)  # the page itself leads to the log-in, where it needs one
            return self.get_response(request)
        if is_use(request):
            sessions.note_use(request.session)
        return _second_step(request) or self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> HttpResponse | None:
        """Have the password given again; the form's token has been checked by now."""
        if not _has_login(request) or not request.user.is_authenticated:
            return None
        return password_again.interrupt(request)


def is_use(request: HttpRequest) -> bool:
    """Tell whether a person did something: a script that looks for news keeps no session alive."""
    return request.method != "GET" or request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"


def _has_login(request: HttpRequest) -> bool:
    """Tell whether the session has a person. Without its cookie the session is not touched: answers stay cacheable."""
    if request.path_info.startswith(_FOR_PROGRAMS) or settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return False
    return SESSION_KEY in request.session


def _second_step(request: HttpRequest) -> HttpResponse | None:
    """Return the way to the second step for who has to take it, else None."""
    user = request.user
    if not user.is_authenticated:
        return None
    device: Authenticator | None = getattr(user, "authenticator", None)
    if device is not None:
        is_through, page = sessions.is_verified(request.session, device), "security-code"
    else:
        is_through, page = not second_step.is_required_of(user), "security-set-up"
    if is_through or request.path_info in {reverse(name) for name in (*_ALWAYS_OPEN, page)}:
        return None
    if page == "security-set-up" and request.path_info == reverse("password-again"):
        return None
    target = request.get_full_path() if request.method == "GET" else reverse("home")
    return HttpResponseRedirect(f"{reverse(page)}?{urlencode({'next': target})}")
