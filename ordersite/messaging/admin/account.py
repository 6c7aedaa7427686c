"""Pages of message accounts. Settings are shown; secrets can be replaced but never read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from orders.models import Merchant
from ordersite.lib.adminkit import badges, fields
from ordersite.lib.adminkit.add_form import AddByFormMixin
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ShownOnce, person
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.errors import stored_code
from ordersite.messaging import accounts
from ordersite.messaging.labels import channel_label, reason_text
from ordersite.messaging.models import MessageAccount
from ordersite.messaging.senders.registry import SENDERS, channel_choices, get_sender
from ordersite.outside_accounts.account_pages import AccountColumnsMixin, self_check, switches

CHANGE = "messaging.change_messageaccount"


def _channels() -> list[tuple[str, str]]:
    return [*channel_choices(for_staff=False), *channel_choices(for_staff=True)]


class MessageKeysForm(forms.Form):
    keys = fields.KeysField(
        label=_("Account file (JSON)"), help_text=_("All keys of the file. Secrets are not shown again.")
    )


class AddMessageAccountForm(MessageKeysForm):
    channel = forms.ChoiceField(label=_("channel"), choices=_channels, widget=fields.select())
    slug = forms.SlugField(label=_("slug"), max_length=40, widget=fields.text_input())
    merchant = forms.ModelChoiceField(Merchant.objects.all(), label=_("merchant"), widget=fields.select())
    field_order = ("channel", "slug", "merchant", "keys")


def _replace_keys(
    request: HttpRequest, account: MessageAccount, data: Mapping[str, Any]
) -> str | Promise | ShownOnce:
    saved = accounts.save_announced(
        account.slug,
        channel=account.channel,
        merchant=account.merchant,
        data=data["keys"],
        by=person(request),
    )
    return _address(saved) if _takes_reports(account) else _("Saved.")


def _show_address(_request: HttpRequest, account: MessageAccount, _data: Mapping[str, Any]) -> ShownOnce:
    return _address(accounts.SavedMessageAccount(account, accounts.push_url_of(account)))


def _address(saved: accounts.SavedMessageAccount) -> ShownOnce:
    explain = _(
        "Enter it at the vendor. It contains a secret: whoever has it can report messages as delivered."
    )
    return ShownOnce(_("Address for delivery reports"), saved.push_url, explain)


def _takes_reports(account: MessageAccount) -> bool:
    sender = SENDERS.get(account.channel)
    return sender is not None and sender.takes_reports


def _problems(account: MessageAccount) -> list[str]:
    return get_sender(account.channel).check(accounts.keys_of(account))


@admin.register(MessageAccount)
class MessageAccountAdmin(AccountColumnsMixin, AddByFormMixin, ConfirmedActionsMixin, ReadOnlyAdmin):
    list_display = ("slug", "way", "merchant", "state", "changed")
    list_filter = ("is_active", "merchant")
    list_select_related = ("merchant",)
    fields = ("slug", "way", "merchant", "config", "is_active", "changed_at", "circuit", "trouble")
    readonly_fields = ("way", "circuit", "trouble")
    add_by = AddMessageAccountForm
    add_title = _("Add message account")
    confirmed = (
        Confirmed(
            "keys",
            _("Replace keys"),
            CHANGE,
            _("All keys of the account are replaced by those of the file."),
            _replace_keys,
            form=MessageKeysForm,
            icon="key",
        ),
        self_check(CHANGE, _problems),
        Confirmed(
            "address",
            _("Show the address for reports"),
            CHANGE,
            _("Shows the secret address to which the vendor reports what became of messages. It is logged."),
            _show_address,
            fits=_takes_reports,
            icon="link",
        ),
        *switches(
            CHANGE,
            off=_(
                "Nothing is sent through this account any more. What waits goes to the shop's other channels."
            ),
            on=_("Messages are sent through this account again."),
        ),
    )

    def create(self, request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
        saved = accounts.save_announced(
            data["slug"],
            channel=data["channel"],
            merchant=data["merchant"],
            data=data["keys"],
            by=person(request),
        )
        self.log_addition(request, saved.account, "add")
        shown = {"label": _("Address for delivery reports"), "value": saved.push_url}
        return self.desk_page(request, "admin/desk/shown_once.html", shown)

    @admin.display(description=_("channel"))
    def way(self, account: MessageAccount) -> str:
        return channel_label(account.channel)

    @admin.display(description=_("trouble"))
    def trouble(self, account: MessageAccount) -> SafeString:
        """Why the vendor refuses the account, since when."""
        code, _colon, words = account.last_problem.partition(": ")
        since = account.unusable_since
        facts: list[tuple[str | Promise, object]] = [
            (_("unusable since"), badges.ago(since) if since else ""),
            (_("last problem"), reason_text(code) if stored_code(account.last_problem) else ""),
            (_("the vendor's words"), words),
        ]
        return badges.facts(facts)
