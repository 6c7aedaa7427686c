"""The interface is Chinese until a person chooses: the browser's own language does not count."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.views.i18n import set_language

from orders.approvals.language import remember


class ChosenLanguageMiddleware:
    """Uses the language of the cookie that the switch sets, else the site's own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
        language = chosen if chosen in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
        translation.activate(language)
        request.LANGUAGE_CODE = language  # what Django's own middleware sets
        response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        return response


def switch(request: HttpRequest) -> HttpResponse:
    """Django's `set_language`, which sets the cookie; who is logged in gets mail in the chosen language too."""
    response = set_language(request)
    if request.method == "POST" and request.user.is_authenticated:
        remember(request.user, request.POST.get("language", ""))
    return response
