"""Pages of carrier accounts. Settings are shown; secrets can be replaced but never read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from logistics import accounts
from logistics.carriers import registry
from logistics.dispatch.remap import go_on, start_run
from logistics.labels import problem_label
from logistics.models import CarrierAccount
from logistics.tracking.account_health import MOST_PARCELS, Calls, health_of
from logistics.tracking.try_connection import can_try, try_connection
from orders.models import Merchant
from ordersite.lib.adminkit import badges, fields
from ordersite.lib.adminkit.add_form import AddByFormMixin
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, person
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.outside_accounts.account_pages import AccountColumnsMixin, self_check, switches

CHANGE = "logistics.change_carrieraccount"
# Below this share of usable answers something is wrong.
USUAL_SHARE = 0.9
SECONDS_OF_A_PAGE = 3


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


def _try(_request: HttpRequest, account: CarrierAccount, _data: Mapping[str, Any]) -> str:
    """Raises `DomainError` with the carrier's words."""
    took = try_connection(account)
    return str(
        _("The carrier answered after %(ms)s ms: address, keys and signature are right.") % {"ms": took}
    )


def _remap(request: HttpRequest, account: CarrierAccount, _data: Mapping[str, Any]) -> str:
    """Begin at once; the rest follows by the clock."""
    started = start_run(account.carrier, by=person(request).get_username())
    run = go_on(started, seconds=SECONDS_OF_A_PAGE)
    text = (
        _("All events are mapped: %(events)s events of %(parcels)s parcels have changed.")
        if run.finished_at
        else _("%(events)s events of %(parcels)s parcels have changed so far; the rest follows by itself.")
    )
    return str(text % {"events": f"{run.events:,}", "parcels": f"{run.parcels:,}"})


def _calls(calls: Calls) -> SafeString | str:
    if calls.share is None:
        return str(_("no calls"))
    text = _(
        "%(share)s %% of %(number)s answered usefully; half within %(median)s ms, 95 %% within %(p95)s ms"
    ) % {
        "share": f"{100 * calls.share:.0f}",
        "number": f"{calls.number:,}",
        "median": f"{calls.median_ms or 0:,}",
        "p95": f"{calls.p95_ms or 0:,}",
    }
    newest = "" if calls.is_all else _("of the newest calls")
    tone = "good" if calls.share >= USUAL_SHARE else "bad"
    return format_html("{} {} {}", badges.badge(f"{100 * calls.share:.0f} %", tone=tone), text, newest)


@admin.register(CarrierAccount)
class CarrierAccountAdmin(AccountColumnsMixin, AddByFormMixin, ConfirmedActionsMixin, ReadOnlyAdmin):
    list_display = ("slug", "connector", "merchant", "state", "changed")
    list_filter = ("is_active", "merchant")
    list_select_related = ("merchant",)
    fields = (
        "slug",
        "connector",
        "merchant",
        "config",
        "is_active",
        "changed_at",
        "circuit",
        "answers",
        "health",
    )
    readonly_fields = ("connector", "circuit", "answers", "health")
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
        Confirmed(
            "try",
            _("Try the connection"),
            CHANGE,
            _("One harmless call shows whether address, keys and signature are right. It is logged."),
            _try,
            fits=can_try,
            icon="network_check",
        ),
        Confirmed(
            "remap",
            _("Apply the map again"),
            CHANGE,
            _(
                "After an upgrade that changed what the carrier's codes mean: all stored events that it said, of all "
                "shops, are mapped anew and their parcels follow. A delivered parcel can only become a returned one."
            ),
            _remap,
            fits=lambda account: account.carrier in registry.CARRIERS,
            icon="alt_route",
        ),
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

    @admin.display(description=_("health"))
    def health(self, account: CarrierAccount) -> SafeString:
        """How its calls went lately, its parcels, and where all of its calls are."""
        found = health_of(account)
        most = found.parcels > MOST_PARCELS
        log = reverse("admin:logistics_carriercall_changelist")
        facts: list[tuple[str | Promise, object]] = [
            (_("last hour"), _calls(found.last_hour)),
            (_("last 24 hours"), _calls(found.last_day)),
            (_("parcels under way"), f"> {MOST_PARCELS:,}" if most else f"{found.parcels:,}"),
            (
                _("Calls to carriers"),
                format_html(
                    '<a class="os-link" href="{}?account={}">{}</a>', log, account.pk, _("all calls")
                ),
            ),
        ]
        return badges.facts(facts)

    @admin.display(description=_("last answer"))
    def answers(self, account: CarrierAccount) -> SafeString:
        """When it last answered usefully, and why it has not since."""
        at = account.last_answer_at
        facts: list[tuple[str | Promise, object]] = [
            (_("last answer"), badges.ago(at) if at else ""),
            (_("last problem"), problem_label(account.last_problem)),
        ]
        return badges.facts(facts)
