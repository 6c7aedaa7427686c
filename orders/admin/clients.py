"""Pages of API clients. A token is shown once, on the page that created it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders import clients, tokens
from orders.approvals import server_changes
from orders.models import ApiClient, Merchant
from ordersite.lib.adminkit import badges, fields
from ordersite.lib.adminkit.add_form import AddByFormMixin
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ShownOnce, person
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin

CHANGE = "orders.change_apiclient"
SCOPES = (
    ("orders:read", _("read orders")),
    ("orders:write", _("create, pay and cancel orders")),
    ("shipments:write", _("confirm shipments")),
)


COPY_NOW = _("Copy it now: it is shown this once, and only its digest is kept.")


def _days(label: Any, *, least: int = 1, most: int = 3650, **options: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=label, min_value=least, max_value=most, widget=fields.number_input(), **options
    )


class AddClientForm(forms.Form):
    name = forms.CharField(label=_("name"), max_length=80, widget=fields.text_input())
    merchant = forms.ModelChoiceField(Merchant.objects.all(), label=_("merchant"), widget=fields.select())
    scopes = forms.MultipleChoiceField(label=_("scopes"), choices=SCOPES, widget=forms.CheckboxSelectMultiple)
    days = _days(_("valid for (days)"), help_text=_("Empty: until it is switched off."), required=False)


class RotateForm(forms.Form):
    days = _days(_("valid for (days)"), help_text=_("Empty: until it is switched off."), required=False)
    old_days = _days(
        _("old token works for (days)"),
        least=0,
        most=90,
        help_text=_("Time to bring the new one to the program."),
    )


def _rotate(request: HttpRequest, client: ApiClient, data: Mapping[str, Any]) -> ShownOnce:
    with transaction.atomic():
        before = clients.described(client)
        token = tokens.rotate(client, old_days=data["old_days"], days=data["days"])
        after = clients.described(ApiClient.objects.get(pk=client.pk))
        _announce(client, before=before, after=after, by=person(request))
    return ShownOnce(_("Bearer token"), token, COPY_NOW)


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
    list_display = ("name", "merchant", "scope_names", "state", "created", "expires", "used")
    list_filter = ("merchant", "is_active")
    list_select_related = ("merchant",)
    fields = (
        "name", "merchant", "token_hint", "scopes", "is_active", "created_at", "expires", "used", "old_token_until",
    )  # fmt: skip
    readonly_fields = ("expires", "used")
    add_by = AddClientForm
    add_title = _("Add API client")
    confirmed = (
        Confirmed(
            "rotate",
            _("Renew the token"),
            CHANGE,
            _(
                "The program gets a new token. The old one works beside it for a time; one renewed before no more."
            ),
            _rotate,
            form=RotateForm,
            fits=lambda client: client.is_active,
            initial=lambda _client: {"old_days": tokens.OLD_TOKEN_DAYS},
            icon="autorenew",
        ),
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
            client, token = clients.add_client(
                data["merchant"], name=data["name"], scopes=data["scopes"], days=data["days"]
            )
            _announce(client, before={}, after=clients.described(client), by=person(request))
            self.log_addition(request, client, "add")
        shown = {
            "label": _("Bearer token"),
            "value": token,
            "explain_once": COPY_NOW,
        }
        return self.desk_page(request, "admin/desk/shown_once.html", shown)

    @admin.display(description=_("scopes"))
    def scope_names(self, client: ApiClient) -> str:
        return " ".join(client.scopes)

    @admin.display(description=_("status"))
    def state(self, client: ApiClient) -> SafeString:
        if not client.is_active:
            return badges.badge(_("off"))
        if client.expires_at and client.expires_at <= timezone.now():
            return badges.badge(pgettext_lazy("token", "expired"), tone="bad")
        return badges.badge(_("on"), tone="good")

    @admin.display(description=_("expires at"), ordering="expires_at")
    def expires(self, client: ApiClient) -> SafeString:
        """Show the end of the token, marked once the alert about it is due."""
        ends = client.expires_at
        if ends is None:
            return badges.NOTHING
        text = timezone.localtime(ends).strftime("%Y-%m-%d %H:%M")
        is_near = ends <= timezone.now() + tokens.WARN_BEFORE
        return badges.badge(text, tone="waiting" if is_near else "plain")

    @admin.display(description=_("last used at"), ordering="last_used_at")
    def used(self, client: ApiClient) -> SafeString:
        return badges.ago(client.last_used_at)

    @admin.display(description=_("created at"))
    def created(self, client: ApiClient) -> SafeString:
        return badges.ago(client.created_at)
