"""Pages of API clients. A token is shown once, on the page that created it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from orders import clients
from orders.approvals import server_changes
from orders.models import ApiClient, Merchant
from ordersite.lib.adminkit import badges, fields
from ordersite.lib.adminkit.add_form import AddByFormMixin
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, person
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin

CHANGE = "orders.change_apiclient"
SCOPES = (
    ("orders:read", _("read orders")),
    ("orders:write", _("create, pay and cancel orders")),
    ("shipments:write", _("confirm shipments")),
)


class AddClientForm(forms.Form):
    name = forms.CharField(label=_("name"), max_length=80, widget=fields.text_input())
    merchant = forms.ModelChoiceField(Merchant.objects.all(), label=_("merchant"), widget=fields.select())
    scopes = forms.MultipleChoiceField(label=_("scopes"), choices=SCOPES, widget=forms.CheckboxSelectMultiple)


def _switch(active: bool) -> Any:
    def run(request: HttpRequest, client: ApiClient, _data: Mapping[str, Any]) -> Promise:
        with transaction.atomic():
            ApiClient.objects.filter(pk=client.pk).update(is_active=active)
            before = {"is_active": str(client.is_active)}
            _announce(client, before=before, after={"is_active": str(active)}, by=person(request))
        return _("The token works again.") if active else _("The token no longer works.")

    return run


def _announce(
    client: ApiClient, *, before: Mapping[str, str], after: Mapping[str, str], by: AbstractUser | None
) -> None:
    """Write what was done to a token into the audit, and mail the approvers: a token reads whole phones."""
    row = server_changes.Changed(ApiClient._meta.db_table, client.pk, str(client))
    server_changes.note(row, before=before, after=after, by=by)


@admin.register(ApiClient)
class ApiClientAdmin(AddByFormMixin, ConfirmedActionsMixin, ReadOnlyAdmin):
    list_display = ("name", "merchant", "token_hint", "scope_names", "state", "created")
    list_filter = ("merchant", "is_active")
    list_select_related = ("merchant",)
    fields = ("name", "merchant", "token_hint", "scopes", "is_active", "created_at")
    add_by = AddClientForm
    add_title = _("Add API client")
    confirmed = (
        Confirmed(
            "off",
            _("Switch off"),
            CHANGE,
            _("Calls with this token are refused from now on."),
            _switch(False),
            fits=lambda client: client.is_active,
            tone="bad",
            icon="toggle_off",
        ),
        Confirmed(
            "on",
            _("Switch on"),
            CHANGE,
            _("Calls with this token are taken again."),
            _switch(True),
            fits=lambda client: not client.is_active,
            icon="toggle_on",
        ),
    )

    def create(self, request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
        with transaction.atomic():
            client, token = clients.add_client(data["merchant"], name=data["name"], scopes=data["scopes"])
            _announce(client, before={}, after=clients.described(client), by=person(request))
            self.log_addition(request, client, "add")
        shown = {
            "label": _("Bearer token"),
            "value": token,
            "explain_once": _("Copy it now: it is shown this once, and only its digest is kept."),
        }
        return self.desk_page(request, "admin/desk/shown_once.html", shown)

    @admin.display(description=_("scopes"))
    def scope_names(self, client: ApiClient) -> str:
        return " ".join(client.scopes)

    @admin.display(description=_("status"))
    def state(self, client: ApiClient) -> SafeString:
        return badges.badge(_("on"), tone="good") if client.is_active else badges.badge(_("off"))

    @admin.display(description=_("created at"))
    def created(self, client: ApiClient) -> SafeString:
        return badges.ago(client.created_at)
