"""Adds rows through a form that calls a function of the app, for models that a ModelForm must not write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError


class AddByFormMixin:
    """Shows the form; `create` gets its data and returns the response. A DomainError is shown in the form.

    The right to add is the model's own; nothing of the form is written by Django.
    """

    add_by: type[forms.Form]
    add_title: str | Promise
    add_explain: str | Promise = ""
    add_button: str | Promise = _("Save")
    opts: Any
    admin_site: Any

    def create(self, request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
        raise NotImplementedError

    def add_form(self, request: HttpRequest) -> forms.Form:
        return self.add_by(request.POST if request.method == "POST" else None)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(f"{self.opts.app_label}.add_{self.opts.model_name}"))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = self.add_form(request)
        if request.method == "POST" and form.is_valid():
            try:
                return self.create(request, form.cleaned_data)
            except DomainError as refused:
                form.add_error(None, refused.message)
        return self.desk_page(request, "admin/desk/add.html", {"form": form, **(extra_context or {})})

    def desk_page(self, request: HttpRequest, template: str, context: Mapping[str, Any]) -> TemplateResponse:
        """Render a template in the frame of the back office."""
        frame = {
            **self.admin_site.each_context(request),
            "title": self.add_title,
            "explain": self.add_explain,
            "button": self.add_button,
            "opts": self.opts,
            "back": reverse(
                f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_changelist"
            ),
        }
        return TemplateResponse(request, template, {**frame, **context})
