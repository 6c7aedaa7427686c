"""The password again before keys, people and approvals, when it was given more than fifteen minutes ago.

A form is interrupted twice: before it is opened, and when it is sent after a long time. What was typed goes along as
hidden fields, so it is sent on with the password. None of these forms takes a file, which no page could fill in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlencode

from django import forms
from django.contrib.auth import authenticate, logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from ordersite.people import sessions

FIELD = "password_again"
MOST_WRONG = 5
_WRONG = "wrong_passwords"
_ASKED_BEFORE = re.compile(
    # keys of outside accounts and of programs
    r"/admin/(payments/paymentaccount|logistics/carrieraccount|orders/apiclient|messaging/messageaccount"
    r"|merchant_webhooks/webhookendpoint)/(add|\d+/do/\w+)/"
    r"|/shop/webhooks/(add|\d+/(settings|rotate))/"
    # people, their roles, a shop's people
    r"|/admin/(auth/user|auth/group|orders/merchantmember)/(?!.*history/).+"
    # decisions about what another person proposed
    r"|/admin/\w+/\w+/\d+/do/(approve|refuse|settle)/"
    # one's own second step
    r"|/accounts/security/(set-up|recovery-codes|switch-off)/"
)


class PasswordAgainForm(forms.Form):
    """The password of who is logged in already. Counts wrong ones in the session."""

    password_again = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request.POST if FIELD in request.POST else None)
        self.request = request

    def clean_password_again(self) -> str:
        password: str = self.cleaned_data[FIELD]
        user = self.request.user
        if authenticate(self.request, username=user.get_username(), password=password) != user:
            self.request.session[_WRONG] = self.request.session.get(_WRONG, 0) + 1
            raise forms.ValidationError(_("That is not your password."))
        self.request.session.pop(_WRONG, None)
        return password

    @property
    def has_ended(self) -> bool:
        """Whether so many were wrong that the person has to log in anew."""
        return int(self.request.session.get(_WRONG, 0)) >= MOST_WRONG


def is_asked_before(path: str) -> bool:
    """Tell whether this address is one before which the password is given again."""
    return _ASKED_BEFORE.fullmatch(path) is not None


def interrupt(request: HttpRequest) -> HttpResponse | None:
    """Return the page that takes the password, or None when the request may go on."""
    if not is_asked_before(request.path_info) or sessions.has_fresh_password(request.session):
        return None
    if request.method != "POST":
        return HttpResponseRedirect(
            f"{reverse('password-again')}?{urlencode({'next': request.get_full_path()})}"
        )
    form = PasswordAgainForm(request)
    if form.is_valid():
        sessions.note_password(request.session)
        rest = request.POST.copy()
        del rest[FIELD]
        request.POST = rest  # type: ignore[assignment]  # the view gets its own fields, as they were typed
        return None
    return page_or_logout(request, form)


def page_or_logout(request: HttpRequest, form: PasswordAgainForm, *, target: str = "") -> HttpResponse:
    """Show the page with what was typed before; after too many wrong passwords the person is logged out."""
    if form.has_ended:
        logout(request)
        return HttpResponseRedirect(reverse("login"))
    context = {
        "form": form,
        "next": target,
        "kept": list(kept(request)),
    }
    return render(request, "people/password_again.html", context)


def kept(request: HttpRequest) -> Iterator[tuple[str, str]]:
    """Yield what was typed, name and value, without what the page has of its own."""
    for name, values in request.POST.lists():
        if name not in {FIELD, "csrfmiddlewaretoken"}:
            yield from ((name, value) for value in values)
