"""The pages of one's own log-in: second step, recovery codes, other sessions, the password again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ordersite.lib import qr
from ordersite.lib.crypto import CannotDecrypt
from ordersite.people import password_again, second_step, sessions
from ordersite.people.models import Authenticator, open_key, seal_key

page = require_http_methods(["GET", "HEAD", "POST"])


class CodeForm(forms.Form):
    """A code of the app, or a recovery code."""

    code = forms.CharField(label=_("Code"), max_length=40)

    def __init__(self, *args: Any, recovery: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        attrs = {"autocomplete": "off" if recovery else "one-time-code", "autofocus": True}
        if not recovery:
            attrs |= {"inputmode": "numeric", "placeholder": "000000"}
        self.fields["code"].widget.attrs.update(attrs)
        self.fields["code"].label = _("Recovery code") if recovery else _("Code of six digits")


@require_safe
@never_cache
@login_required
def security(request: HttpRequest) -> HttpResponse:
    device = second_step.authenticator_of(person_of(request))
    left = device.recovery_codes.filter(used_at__isnull=True).count() if device else 0
    context = {
        "device": device,
        "codes_left": left,
        "is_required": second_step.is_required_of(person_of(request)),
    }
    return render(request, "people/security.html", context)


@page
@never_cache
@login_required
def set_up(request: HttpRequest) -> HttpResponse:
    """Show a new key until a code of it is given; then the recovery codes, once."""
    key = _pending_key(request)
    form = CodeForm(request.POST or None)
    if form.is_valid():
        done = second_step.set_up(person_of(request), key, form.cleaned_data["code"].replace(" ", ""))
        if done:
            device, codes = done
            _let_in(request, device)
            return _show_codes(request, codes)
        form.add_error(
            "code",
            _("This is not the app's present code. Look at the clock of your phone, and try the next."),
        )
    context = {
        "form": form,
        "next": _target(request),
        "qr": qr.inline(second_step.address_for_app(person_of(request), key)),
        "secret": " ".join(key[at : at + 4] for at in range(0, len(key), 4)),
        "device": second_step.authenticator_of(person_of(request)),
        "is_required": second_step.is_required_of(person_of(request)),
    }
    return render(request, "people/set_up.html", context)


@page
@never_cache
@login_required
def code(request: HttpRequest) -> HttpResponse:
    """Take the code of a log-in's second step."""
    device = second_step.authenticator_of(person_of(request))
    if device is None:
        return redirect("security-set-up")
    is_recovery = "recovery" in request.GET
    form, status = CodeForm(request.POST or None, recovery=is_recovery), 200
    if form.is_valid():
        wait = second_step.seconds_to_wait(device)
        good = None if wait else second_step.check(person_of(request), form.cleaned_data["code"])
        if good:
            _let_in(request, good)
            return HttpResponseRedirect(_target(request))
        form.add_error("code", _wait_a_while(wait) if wait else _("This code is wrong, or was used before."))
        status = 429 if wait else 200
    context = {"form": form, "next": _target(request), "recovery": is_recovery}
    return render(request, "people/code.html", context, status=status)


@page
@never_cache
@login_required
def ask_password(request: HttpRequest) -> HttpResponse:
    """Take the password again, then lead on to what was to be done."""
    form = password_again.PasswordAgainForm(request)
    if form.is_valid():
        sessions.note_password(request.session)
        return HttpResponseRedirect(_target(request))
    return password_again.page_or_logout(request, form, target=_target(request))


@require_POST
@never_cache
@login_required
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """Make new recovery codes and show them once."""
    device = second_step.authenticator_of(person_of(request))
    if device is None:
        return redirect("security")
    return _show_codes(request, second_step.renew_codes(device))


@require_POST
@login_required
def switch_off(request: HttpRequest) -> HttpResponse:
    """Take away one's own second step, where the role does not need it."""
    if second_step.is_required_of(person_of(request)):
        raise PermissionDenied
    actor = person_of(request).get_username()
    second_step.take_away(person_of(request), actor=actor, keep_session=request.session.session_key)
    messages.success(request, _("Two-step log-in is off."))
    return redirect("security")


@require_POST
@login_required
def end_others(request: HttpRequest) -> HttpResponse:
    """Log out everywhere but here."""
    ended = sessions.end_sessions(person_of(request).pk, but=request.session.session_key)
    messages.success(
        request,
        ngettext("%(count)s other session has ended.", "%(count)s other sessions have ended.", ended)
        % {"count": ended},
    )
    return redirect("security")


def person_of(request: HttpRequest) -> User:
    """Return who is logged in. Raises PermissionDenied where nobody is."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def _pending_key(request: HttpRequest) -> str:
    """Return the key that this session is setting up: the same one until it is confirmed, whatever is reloaded."""
    user_id = person_of(request).pk
    try:
        return open_key(sessions.pending_key(request.session), user_id=user_id)
    except CannotDecrypt:
        key = second_step.new_key()
        sessions.set_pending_key(request.session, seal_key(key, user_id=user_id))
        return key


def _let_in(request: HttpRequest, device: Authenticator) -> None:
    """Note the second step; the session's key changes, as with each step up."""
    request.session.cycle_key()
    sessions.forget_pending_key(request.session)
    sessions.mark_verified(request.session, device)


def _show_codes(request: HttpRequest, codes: list[str]) -> HttpResponse:
    return render(request, "people/recovery_codes.html", {"codes": codes, "next": _target(request)})


def _target(request: HttpRequest) -> str:
    """Return where the person was going: an address of this site, else the start page."""
    given = request.POST.get("next") or request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        given, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return given if is_ours else resolve_url(settings.LOGIN_REDIRECT_URL)


def _wait_a_while(seconds: int) -> str:
    return ngettext(
        "Too many wrong codes. Try again in %(seconds)s second.",
        "Too many wrong codes. Try again in %(seconds)s seconds.",
        seconds,
    ) % {"seconds": seconds}
