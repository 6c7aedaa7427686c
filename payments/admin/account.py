"""Payment accounts: settings are shown, secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from orders.models import Merchant
from ordersite.lib.adminkit import badges, fields
from ordersite.lib.adminkit.add_form import AddByFormMixin
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.errors import DomainError
from payments import accounts
from payments.models import PaymentAccount
from payments.providers import registry

CHANGE = "payments.change_paymentaccount"


class KeysForm(forms.Form):
    keys = fields.KeysField(label=_("Account file (JSON)"), help_text=_("Secrets are not shown again."))


class AddAccountForm(KeysForm):
    provider = forms.ChoiceField(
        label=_("provider"), choices=registry.provider_choices, widget=fields.select()
    )
    slug = forms.SlugField(label=_("slug"), max_length=40, widget=fields.text_input())
    merchant = forms.ModelChoiceField(Merchant.objects.all(), label=_("merchant"), widget=fields.select())
    field_order = ("provider", "slug", "merchant", "keys")


def _change_keys(_request: HttpRequest, account: PaymentAccount, data: Mapping[str, Any]) -> Promise:
    accounts.change_account(account, data["keys"])
    return _("Saved. It holds within ten seconds in every process.")


def _check(_request: HttpRequest, account: PaymentAccount, _data: Mapping[str, Any]) -> Promise:
    try:
        keys = accounts.keys_of(account)
    except CannotDecrypt as error:
        raise DomainError(
            "cannot_decrypt", _("The secrets cannot be opened with the keys of this machine.")
        ) from error
    if problems := registry.get_provider(account.provider).check(keys):
        raise DomainError("bad_account", " ".join(problems))
    return _("The keys fit together. No call was made.")


def _switch(active: bool) -> Any:
    def run(_request: HttpRequest, account: PaymentAccount, _data: Mapping[str, Any]) -> Promise:
        PaymentAccount.objects.filter(pk=account.pk).update(is_active=active)
        return _("The account is on.") if active else _("The account is off.")

    return run


def notify_url(account: PaymentAccount) -> str:
    """What is entered at the provider."""
    return f"{settings.PUBLIC_BASE_URL}/notify/{account.provider}/{account.slug}/"


@admin.register(PaymentAccount)
class PaymentAccountAdmin(AddByFormMixin, ConfirmedActionsMixin, ReadOnlyAdmin):
    list_display = ("slug", "channel", "merchant", "state", "changed")
    list_filter = ("is_active", "merchant")
    list_select_related = ("merchant",)
    fields = (
        "slug",
        "channel",
        "merchant",
        "address",
        "config",
        "serials",
        "is_active",
        "created_at",
        "changed_at",
        "resting_until",
    )
    readonly_fields = ("channel", "address", "serials")
    add_by = AddAccountForm
    add_title = _("Add payment account")
    confirmed = (
        Confirmed(
            "keys",
            _("Change keys"),
            CHANGE,
            _(
                "The keys that you name are replaced, the others stay. An empty value removes its key. "
                "The same holds for each serial number in platform_keys."
            ),
            _change_keys,
            form=KeysForm,
            icon="key",
        ),
        Confirmed(
            "check",
            _("Self-check"),
            CHANGE,
            _("Looks whether the keys fit together. No call is made."),
            _check,
            icon="rule",
        ),
        Confirmed(
            "off",
            _("Switch off"),
            CHANGE,
            _("No new payments begin here. Notifications are still taken: money may still arrive."),
            _switch(False),
            fits=lambda account: account.is_active,
            tone="bad",
            icon="toggle_off",
        ),
        Confirmed(
            "on",
            _("Switch on"),
            CHANGE,
            _("Payments may begin here again."),
            _switch(True),
            fits=lambda account: not account.is_active,
            icon="toggle_on",
        ),
    )

    def create(self, request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
        account = accounts.save_account(
            data["slug"], provider=data["provider"], merchant=data["merchant"], values=data["keys"]
        )
        self.log_addition(request, account, "add")
        return self.desk_page(
            request,
            "admin/desk/shown_once.html",
            {"label": _("Notify address"), "value": notify_url(account)},
        )

    @admin.display(description=_("provider"))
    def channel(self, account: PaymentAccount) -> str:
        return dict(registry.provider_choices()).get(account.provider, account.provider)

    @admin.display(description=_("Notify address"))
    def address(self, account: PaymentAccount) -> str:
        return notify_url(account)

    @admin.display(description=_("Keys by serial number"))
    def serials(self, account: PaymentAccount) -> str:
        """Which keys of the provider are here; after a change of certificate that is what is compared."""
        try:
            named = accounts.keys_by_name(account)
        except CannotDecrypt as error:
            return error.message
        return "; ".join(f"{name}: {', '.join(serials)}" for name, serials in named.items()) or "–"

    @admin.display(description=_("status"))
    def state(self, account: PaymentAccount) -> SafeString:
        if not account.is_active:
            return badges.badge(_("off"))
        return (
            badges.badge(_("resting"), tone="bad")
            if account.resting_until
            else badges.badge(_("on"), tone="good")
        )

    @admin.display(description=_("changed at"))
    def changed(self, account: PaymentAccount) -> SafeString:
        return badges.ago(account.changed_at)
