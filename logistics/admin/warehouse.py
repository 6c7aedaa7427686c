"""Pages of warehouses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget

from logistics.admin import warehouse_messages
from logistics.models import Warehouse
from logistics.warehouses.save import SENDER, save_announced
from ordersite.lib.adminkit import badges, fields
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ShownOnce, person
from ordersite.lib.adminkit.read_only import DeskAdmin
from ordersite.lib.money import format_amount

CHANGE = "logistics.change_warehouse"


def _sender_field(name: str, label: Any) -> forms.CharField:
    return forms.CharField(label=label, required=False, max_length=SENDER[name], widget=fields.text_input())


class SettingsForm(forms.Form):
    """What `set_warehouse` reads from a file, field by field."""

    name = forms.CharField(label=_("name"), max_length=80, widget=fields.text_input())
    kind = forms.ChoiceField(label=_("kind"), choices=Warehouse.Kind.choices, widget=fields.select())
    regions = forms.CharField(
        label=_("provinces served"),
        required=False,
        max_length=1_000,
        widget=fields.text_input(),
        help_text=_("Separated by blanks, the one where it stands first. Empty: all provinces."),
    )
    priority = forms.IntegerField(
        label=_("priority"),
        widget=fields.number_input(),
        help_text=_("The lower number goes first where stock, distance and cost are equal."),
    )
    cost = forms.CharField(label=_("cost of a parcel"), max_length=20, widget=fields.text_input())
    adapter = forms.ChoiceField(
        label=_("instructions"), choices=Warehouse.Adapter.choices, widget=fields.select()
    )
    push_url = forms.CharField(
        label=_("push address"), required=False, max_length=500, widget=fields.text_input()
    )
    secret = forms.CharField(
        label=_("secret"),
        required=False,
        max_length=200,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text=_("Empty: the secret stays as it is, or one is made and shown once."),
    )
    silence_minutes = forms.IntegerField(
        label=_("minutes of silence"),
        widget=fields.number_input(),
        help_text=_("After so long without an answer the instruction is sent again, then a case is opened."),
    )

    sender_name = forms.CharField(
        label=_("sender"),
        required=False,
        max_length=SENDER["sender_name"],
        widget=fields.text_input(),
        help_text=_("Name, phone and address stand on the waybills: carriers refuse a waybill without them."),
    )
    sender_phone = _sender_field("sender_phone", _("sender's phone"))
    province = _sender_field("province", _("province"))
    city = _sender_field("city", _("city"))
    district = _sender_field("district", _("district"))
    street = _sender_field("street", _("street"))

    def clean_regions(self) -> list[str]:
        return str(self.cleaned_data["regions"]).replace(",", " ").replace("，", " ").split()


def _initial(warehouse: Warehouse) -> Mapping[str, Any]:
    return {
        "name": warehouse.name,
        "kind": warehouse.kind,
        "regions": " ".join(warehouse.regions),
        "priority": warehouse.priority,
        "cost": format_amount(warehouse.cost),
        "adapter": warehouse.adapter,
        "push_url": warehouse.push_url,
        "silence_minutes": warehouse.silence_minutes,
        **{name: getattr(warehouse, name) for name in SENDER},
    }


def _save(request: HttpRequest, warehouse: Warehouse, data: Mapping[str, Any]) -> Promise | ShownOnce:
    saved = save_announced(warehouse.slug, merchant=warehouse.merchant, data=data, by=person(request))
    if saved.new_secret:
        explain = _("Give it to the warehouse: every push is signed with it. It is not shown again.")
        return ShownOnce(_("secret"), saved.new_secret, explain)
    return _("Saved.")


@admin.register(Warehouse)
class WarehouseAdmin(ConfirmedActionsMixin, DeskAdmin):
    list_display = ("name", "slug", "merchant", "kind", "adapter", "is_active")
    list_filter = ("merchant", "adapter", "is_active")
    list_select_related = ("merchant",)
    fields = ("merchant", "slug", "name", "is_active", "way", "sent")
    readonly_fields = ("way", "sent")
    confirmed = (
        Confirmed(
            "settings",
            _("Settings"),
            CHANGE,
            _("Where it sends parcels, what they cost, how it gets its instructions, and who is the sender."),
            _save,
            form=SettingsForm,
            initial=_initial,
            icon="tune",
        ),
    )

    def get_readonly_fields(self, request: object, obj: Warehouse | None = None) -> tuple[str, ...]:
        """Merchant and slug are set once: confirmations name a warehouse by them."""
        return ("merchant", "slug", *self.readonly_fields) if obj else tuple(self.readonly_fields)

    def get_fields(self, request: HttpRequest, obj: Warehouse | None = None) -> list[str]:
        """A warehouse that is not there yet has nothing but its name."""
        hidden = {"way", "sent"} if obj is None else set() if obj.push_url else {"sent"}
        return [name for name in self.fields if name not in hidden]

    @admin.display(description=_("dispatch"))
    def way(self, warehouse: Warehouse) -> SafeString:
        """The settings in words, without the secret."""
        return badges.facts(
            (
                (_("kind"), warehouse.get_kind_display()),
                (_("provinces served"), "、".join(warehouse.regions) or _("all of them")),
                (_("priority"), warehouse.priority),
                (_("cost of a parcel"), badges.money(warehouse.cost)),
                (_("instructions"), warehouse.get_adapter_display()),
                (_("push address"), warehouse.push_url),
                (_("minutes of silence"), warehouse.silence_minutes),
                (_("sender"), " ".join(filter(None, (getattr(warehouse, name) for name in SENDER)))),
            )
        )

    @admin.display(description=_("latest messages"))
    def sent(self, warehouse: Warehouse) -> SafeString:
        """What it was sent last, and what it answered."""
        return warehouse_messages.latest_of(warehouse)
