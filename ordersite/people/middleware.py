"""Ends sessions in time, and keeps who has not taken the second step from every page but that step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from ordersite.people import hashing, password_again, second_step, sessions
from ordersite.people.models import Authenticator
from ordersite.people.throttle import LoginThrottled, note_success, one_try

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
        is_change = (
            request.resolver_match is not None and request.resolver_match.url_name == "password_change"
        )
        try:
            if request.method == "POST" and is_change:
                return _change_password(request, partial(view, request, *args, **kwargs))
            return password_again.interrupt(request)
        except (LoginThrottled, hashing.TooManyHashes) as refused:
            return self.process_exception(request, refused)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 429 where a password is not checked: too many failures, or too many at this moment."""
        if isinstance(exception, hashing.TooManyHashes):
            return hashing.busy_page(request)
        return _wait_page(request, exception.wait) if isinstance(exception, LoginThrottled) else None


def _change_password(request: HttpRequest, change: Callable[[], HttpResponse]) -> HttpResponse:
    """The old password can be guessed there like one of a log-in. Raises `LoginThrottled`."""
    with one_try(request, request.user.get_username()) as attempt:
        answer = change()
        if answer.status_code == 302 and attempt is not None and isinstance(request.user, User):
            note_success(attempt, request.user)
        return answer


def _wait_page(request: HttpRequest, wait: timedelta) -> HttpResponse:
    seconds = max(1, math.ceil(wait.total_seconds()))
    context = {"seconds": seconds, "minutes": math.ceil(seconds / 60)}
    answer = render(request, "people/throttled.html", context, status=429)
    answer["Retry-After"] = str(seconds)
    return answer


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
