"""Pages of carrier accounts. Settings are shown; secrets can be replaced but never read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from logistics import accounts
from logistics.carriers import registry
from logistics.labels import problem_label
from logistics.models import CarrierAccount
from orders.models import Merchant
from ordersite.lib.adminkit import badges, fields
from ordersite.lib.adminkit.add_form import AddByFormMixin
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, person
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.outside_accounts.account_pages import AccountColumnsMixin, self_check, switches

CHANGE = "logistics.change_carrieraccount"


class KeysForm(forms.Form):
    keys = fields.KeysField(
        label=_("Account file (JSON)"), help_text=_("All keys of the file. Secrets are not shown again.")
    )


class AddAccountForm(KeysForm):
    carrier = forms.ChoiceField(label=_("carrier"), choices=registry.carrier_choices, widget=fields.select())
    slug = forms.SlugField(label=_("slug"), max_length=40, widget=fields.text_input())
    merchant = forms.ModelChoiceField(Merchant.objects.all(), label=_("merchant"), widget=fields.select())
    field_order = ("carrier", "slug", "merchant", "keys")


def _replace_keys(request: HttpRequest, account: CarrierAccount, data: Mapping[str, Any]) -> str:
    saved = accounts.save_announced(
        account.slug,
        carrier=account.carrier,
        merchant=account.merchant,
        data=data["keys"],
        by=person(request),
    )
    return str(_("Saved. Push address: %(url)s") % {"url": saved.push_url})


def _problems(account: CarrierAccount) -> list[str]:
    return registry.get_carrier(account.carrier).check(accounts.keys_of(account))


@admin.register(CarrierAccount)
class CarrierAccountAdmin(AccountColumnsMixin, AddByFormMixin, ConfirmedActionsMixin, ReadOnlyAdmin):
    list_display = ("slug", "connector", "merchant", "state", "changed")
    list_filter = ("is_active", "merchant")
    list_select_related = ("merchant",)
    fields = ("slug", "connector", "merchant", "config", "is_active", "changed_at", "circuit", "answers")
    readonly_fields = ("connector", "circuit", "answers")
    add_by = AddAccountForm
    add_title = _("Add carrier account")
    confirmed = (
        Confirmed(
            "keys",
            _("Replace keys"),
            CHANGE,
            _("All keys of the account are replaced by those of the file."),
            _replace_keys,
            form=KeysForm,
            icon="key",
        ),
        self_check(CHANGE, _problems),
        *switches(
            CHANGE,
            off=_("Parcels are no longer polled through this account."),
            on=_("Parcels are polled through this account again."),
        ),
    )

    def create(self, request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
        saved = accounts.save_announced(
            data["slug"],
            carrier=data["carrier"],
            merchant=data["merchant"],
            data=data["keys"],
            by=person(request),
        )
        self.log_addition(request, saved.account, "add")
        return self.desk_page(
            request, "admin/desk/shown_once.html", {"label": _("Push address"), "value": saved.push_url}
        )

    @admin.display(description=_("carrier"))
    def connector(self, account: CarrierAccount) -> str:
        return dict(registry.carrier_choices()).get(account.carrier, account.carrier)

    @admin.display(description=_("last answer"))
    def answers(self, account: CarrierAccount) -> SafeString:
        """When it last answered usefully, and why it has not since."""
        at = account.last_answer_at
        facts: list[tuple[str | Promise, object]] = [
            (_("last answer"), badges.ago(at) if at else ""),
            (_("last problem"), problem_label(account.last_problem)),
        ]
        return badges.facts(facts)
