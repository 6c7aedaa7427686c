"""Admin pages of payment accounts. Settings are shown; secrets can be replaced but never read."""

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

from orders.admin.change_request import outcome_of
from orders.models import Merchant
from ordersite.lib.adminkit import badges, fields
from ordersite.lib.adminkit.add_form import AddByFormMixin
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ReasonForm, log_action, person
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.crypto import CannotDecrypt
from ordersite.outside_accounts.account_pages import AccountColumnsMixin, is_off, is_on, self_check
from ordersite.queue import wakeups
from payments.accounts import change_kind, keys
from payments.lifecycle.closing import QUERY_TASK
from payments.models import PaymentAccount
from payments.provider_calls.throttle import PROVIDERS, waits_of
from payments.providers import registry

CHANGE = "payments.change_paymentaccount"


class KeysForm(ReasonForm):
    keys = fields.KeysField(label=_("Account file (JSON)"), help_text=_("Secrets are not shown again."))


class AddAccountForm(KeysForm):
    provider = forms.ChoiceField(
        label=_("provider"), choices=registry.provider_choices, widget=fields.select()
    )
    slug = forms.SlugField(label=_("slug"), max_length=40, widget=fields.text_input())
    merchant = forms.ModelChoiceField(Merchant.objects.all(), label=_("merchant"), widget=fields.select())
    field_order = ("provider", "slug", "merchant", "keys", "reason")


def _propose_keys(request: HttpRequest, account: PaymentAccount, data: Mapping[str, Any]) -> Promise:
    change = change_kind.propose_keys(account.pk, data["keys"], user=person(request), reason=data["reason"])
    return outcome_of(change)


def _propose_on(request: HttpRequest, account: PaymentAccount, data: Mapping[str, Any]) -> Promise:
    return outcome_of(change_kind.propose_on(account.pk, user=person(request), reason=data["reason"]))


def _switch_off(request: HttpRequest, account: PaymentAccount, _data: Mapping[str, Any]) -> Promise:
    change_kind.switch_off(account.pk, user=person(request))
    return _("The account is off.")


def _problems(account: PaymentAccount) -> list[str]:
    return registry.get_provider(account.provider).check(keys.keys_of(account))


def _try_now(_request: HttpRequest, account: PaymentAccount, _data: Mapping[str, Any]) -> Promise:
    PROVIDERS.half_open(account)
    wakeups.wake(QUERY_TASK)
    return _("The trial query goes out now; if it is answered, the circuit closes and the others follow.")


def notify_url(account: PaymentAccount) -> str:
    """Return the callback address to enter in the provider's console."""
    return f"{settings.PUBLIC_BASE_URL}/notify/{account.provider}/{account.slug}/"


@admin.register(PaymentAccount)
class PaymentAccountAdmin(AccountColumnsMixin, AddByFormMixin, ConfirmedActionsMixin, ReadOnlyAdmin):
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
        "keys_fingerprint",
        "is_active",
        "created_at",
        "changed_at",
        "questions",
        "circuit",
    )
    readonly_fields = ("channel", "address", "questions", "circuit", "serials", "keys_fingerprint")
    add_by = AddAccountForm
    add_title = _("Add payment account")
    confirmed = (
        Confirmed(
            "keys",
            _("Propose other keys"),
            CHANGE,
            _(
                "The keys that you name are replaced, the others stay. An empty value removes its key. "
                "The same holds for each serial number in platform_keys. "
                "The old keys hold until a colleague of finance or a supervisor approves the change."
            ),
            _propose_keys,
            form=KeysForm,
            icon="key",
        ),
        self_check(CHANGE, _problems),
        Confirmed(
            "try",
            _("Try now"),
            CHANGE,
            _(
                "Half-opens the circuit: one query goes out at once, and if it fails the circuit is open again."
            ),
            _try_now,
            fits=lambda account: account.is_circuit_open,
            icon="bolt",
        ),
        Confirmed(
            "off",
            _("Switch off"),
            CHANGE,
            _(
                "No new payments begin here, at once; those who approve accounts get mail."
                " Notifications are still taken: money may still arrive."
            ),
            _switch_off,
            fits=is_on,
            tone="bad",
            icon="toggle_off",
        ),
        Confirmed(
            "on",
            _("Propose to switch on"),
            CHANGE,
            _("Payments may begin here again once a colleague of finance or a supervisor approves."),
            _propose_on,
            form=ReasonForm,
            fits=is_off,
            icon="toggle_on",
        ),
    )

    def create(self, request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
        account = change_kind.NewAccount(data["slug"], data["provider"], data["merchant"])
        change = change_kind.propose_account(
            account, data["keys"], user=person(request), reason=data["reason"]
        )
        log_action(request, change, "propose")
        address = f"{settings.PUBLIC_BASE_URL}/notify/{account.provider}/{account.slug}/"
        return self.desk_page(
            request,
            "admin/desk/shown_once.html",
            {"label": _("Notify address"), "value": address, "explain_once": outcome_of(change)},
        )

    @admin.display(description=_("provider"))
    def channel(self, account: PaymentAccount) -> str:
        return dict(registry.provider_choices()).get(account.provider, account.provider)

    @admin.display(description=_("Notify address"))
    def address(self, account: PaymentAccount) -> str:
        return notify_url(account)

    @admin.display(description=_("Keys by serial number"))
    def serials(self, account: PaymentAccount) -> str:
        """Show the serial numbers of the provider's keys, to compare after a change of certificate."""
        try:
            named = keys.keys_by_name(account)
        except CannotDecrypt as error:
            return error.message
        return "; ".join(f"{name}: {', '.join(serials)}" for name, serials in named.items()) or "–"

    @admin.display(description=_("fingerprint of the keys"))
    def keys_fingerprint(self, account: PaymentAccount) -> str:
        """Show what the audit, the notifications and the history of orders call this state of the keys."""
        try:
            return keys.keys_of(account).fingerprint
        except CannotDecrypt as error:
            return error.message

    @admin.display(description=_("questions to the provider"))
    def questions(self, account: PaymentAccount) -> SafeString:
        """Show how many payments wait to be queried at this account, and for how long."""
        wait = waits_of([account.pk])[account.pk]
        return badges.facts(
            [
                (_("payments waiting for a query"), f"{wait.waiting:,}"),
                (_("takes about (seconds)"), f"{wait.seconds:,}"),
            ]
        )
