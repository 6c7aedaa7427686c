"""Actions with a confirmation page: GET explains, POST acts. The right is checked both times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from ordersite.lib.errors import DomainError


class NothingForm(forms.Form):
    """The form of a confirmation without input."""


class ReasonForm(forms.Form):
    """The form of a confirmation that takes a reason."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=200,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "autofocus": True}),
    )


def always(_row: models.Model) -> bool:
    return True


def nothing(_row: models.Model) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Confirmed:
    """One action. `run` gets request, row and form data, calls the app's function and returns the message to show.

    `permission` is checked by the server for the page and again for the POST; `fits` says for which rows it makes sense
    (the app checks again). A DomainError is shown, nothing is changed, and what was typed stays in the form. `tone` is
    bad for what cannot be taken back. `initial` says what stands in the form when it is opened. `is_harmless`: the
    button acts without a confirmation.
    """

    code: str
    label: str | Promise
    permission: str
    explain: str | Promise
    run: Callable[[HttpRequest, Any, Mapping[str, Any]], str | Promise | ActionReply | ShownOnce]
    form: type[forms.Form] = NothingForm
    fits: Callable[[Any], bool] = always
    tone: str = "plain"
    icon: str = "check"
    initial: Callable[[Any], Mapping[str, Any]] = nothing
    is_harmless: bool = False


@dataclass(frozen=True, slots=True)
class ActionReply:
    """What an action tells the person where it is no plain success; `level` is one of Django's messages."""

    text: str | Promise
    level: int


@dataclass(frozen=True, slots=True)
class ShownOnce:
    """A secret that an action has made: the page shows it this once, and nothing keeps it."""

    label: str | Promise
    value: str
    explain: str | Promise


@dataclass(frozen=True, slots=True)
class Lead:
    """A button that links to a page with a form of its own, which checks the right itself."""

    code: str
    label: str | Promise
    permission: str
    address: Callable[[Any], str]
    fits: Callable[[Any], bool] = always
    tone: str = "plain"
    icon: str = "arrow_forward"


class ConfirmedActionsMixin:
    """Adds `confirmed` actions to an admin page: buttons on the row's page, each with a page of its own."""

    confirmed: Sequence[Confirmed] = ()
    leads: Sequence[Lead] = ()
    change_form_outer_before_template = "admin/desk/actions.html"
    model: type[models.Model]
    opts: Any
    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.confirmed_view)
        own = path("<int:object_id>/do/<slug:code>/", view, name=f"{self._url_stem}_do")
        return [own, *super().get_urls()]  # type: ignore[misc]  # the admin class beside this mixin has it

    @property
    def _url_stem(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)  # type: ignore[attr-defined]
        context = {"confirmed_actions": self.buttons(request, row) if row else [], **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)  # type: ignore[misc]

    def buttons(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        """Return the buttons of the actions that this person may use on this row now."""
        may = request.user.has_perm
        leads = [one for one in self.leads if may(one.permission) and one.fits(row)]
        confirmed = [one for one in self.confirmed if may(one.permission) and one.fits(row)]
        return [
            *({"action": one, "url": one.address(row)} for one in leads),
            *({"action": one, "url": self._address(row, one)} for one in confirmed),
        ]

    def _address(self, row: models.Model, action: Confirmed) -> str:
        return reverse(f"{self.admin_site.name}:{self._url_stem}_do", args=[row.pk, action.code])

    def confirmed_view(self, request: HttpRequest, object_id: int, code: str) -> HttpResponse:
        """Show the confirmation (GET) or run the action (POST). 404 for an unknown action or row, 403 without the right."""
        action = next((one for one in self.confirmed if one.code == code), None)
        if action is None:
            raise Http404
        row = self._visible_row(request, object_id)
        if not request.user.has_perm(action.permission):
            raise PermissionDenied
        given = request.POST if request.method == "POST" else None
        form = action.form(given, initial=dict(action.initial(row)))
        if request.method == "POST" and form.is_valid():
            try:
                return self._do(request, row, action, form.cleaned_data)
            except DomainError as refused:
                if not form.fields:
                    messages.error(request, refused.message)
                    return HttpResponseRedirect(self.after_action(row))
                form.add_error(None, refused.message)
        return self._confirm(request, row, action, form)

    def _visible_row(self, request: HttpRequest, object_id: int) -> models.Model:
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        row = self.get_object(request, str(object_id))  # type: ignore[attr-defined]
        if row is None:
            raise Http404
        return row

    def _do(
        self, request: HttpRequest, row: models.Model, action: Confirmed, data: Mapping[str, Any]
    ) -> HttpResponse:
        """Raises `DomainError`: nothing was changed."""
        reply = action.run(request, row, data)
        if isinstance(reply, ShownOnce):
            log_action(request, row, action.code)
            return self._show_once(request, row, action, reply)
        answer = reply if isinstance(reply, ActionReply) else ActionReply(reply, messages.SUCCESS)
        messages.add_message(request, answer.level, str(answer.text))
        log_action(request, row, f"{action.code}: {data.get('reason', '')}".rstrip(": "))
        return HttpResponseRedirect(self.after_action(row))

    def _show_once(
        self, request: HttpRequest, row: models.Model, action: Confirmed, reply: ShownOnce
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": action.label,
            "subtitle": str(row),
            "opts": self.opts,
            "label": reply.label,
            "value": reply.value,
            "explain_once": reply.explain,
            "back": self.after_action(row),
        }
        return TemplateResponse(request, "admin/desk/shown_once.html", context)

    def facts_of(self, row: Any) -> SafeString | str:
        """Return the facts shown on the confirmation page."""
        return ""

    def facts_for(self, row: Any, action: Confirmed) -> SafeString | str:
        """Those of one action, where they differ."""
        return self.facts_of(row)

    def after_action(self, row: models.Model) -> str:
        return reverse(f"{self.admin_site.name}:{self._url_stem}_change", args=[row.pk])

    def _confirm(
        self, request: HttpRequest, row: models.Model, action: Confirmed, form: forms.Form
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": action.label,
            "subtitle": str(row),
            "opts": self.opts,
            "row": row,
            "action": action,
            "facts": self.facts_for(row, action),
            "form": form,
            "back": self.after_action(row),
        }
        return TemplateResponse(request, "admin/desk/confirm.html", context)


def person(request: HttpRequest) -> User:
    """Return the logged-in person. In the back office there always is one."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def log_action(request: HttpRequest, row: models.Model, message: str) -> None:
    """Write a line into the log of staff actions."""
    LogEntry.objects.create(
        user_id=person(request).pk,
        content_type=ContentType.objects.get_for_model(row, for_concrete_model=False),
        object_id=str(row.pk),
        object_repr=str(row)[:200],
        action_flag=CHANGE,
        change_message=message,
    )
