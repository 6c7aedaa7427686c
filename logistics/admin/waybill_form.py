"""The form of «order a waybill» on the order page, and of a corrected number on the parcel's page."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from logistics.carriers import registry
from logistics.carriers.interface import Operation
from logistics.models import CARRIERS, CarrierAccount, Shipment, Warehouse, WaybillOrder, WaybillStatus
from logistics.waybills import errors
from logistics.waybills.api import refusal_text
from logistics.waybills.reserve import WantedWaybill, reserve
from logistics.waybills.resolve import order_now
from orders.history.lines import Actor
from orders.models import Order
from ordersite.lib.adminkit import fields
from ordersite.lib.adminkit.confirmed import ReasonForm
from ordersite.lib.money import LARGEST


def _accounts() -> Any:
    names = [name for name, one in registry.CARRIERS.items() if Operation.CREATE_WAYBILL in one.operations]
    return CarrierAccount.objects.filter(is_active=True, carrier__in=names).order_by("slug")


class WaybillOrderForm(forms.Form):
    """One waybill for all that is left of the order."""

    account = forms.ModelChoiceField(
        CarrierAccount.objects.none(), label=_("carrier account"), widget=fields.select()
    )
    carrier = forms.ChoiceField(label=_("carrier"), choices=CARRIERS, widget=fields.select())
    warehouse = forms.ModelChoiceField(
        Warehouse.objects.filter(is_active=True), label=_("warehouse"), widget=fields.select()
    )
    insured_value = forms.DecimalField(
        label=_("insured value"),
        required=False,
        min_value=Decimal(0),
        max_value=LARGEST,
        decimal_places=2,
        widget=fields.text_input(),
        help_text=_("Yuan. Empty: what the shop's switch says."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        accounts: Any = self.fields["account"]
        accounts.queryset = _accounts()


def first_choice(order: Order) -> Mapping[str, Any]:
    """What stands in the form when it is opened: the shop's first account and warehouse."""
    account = _accounts().filter(merchant=order.merchant_id).first()
    warehouse = Warehouse.objects.filter(merchant=order.merchant_id, is_active=True).order_by("pk").first()
    carrier = account.carrier if account and account.carrier in dict(CARRIERS) else "sf"
    return {"account": account, "warehouse": warehouse, "carrier": carrier}


def order_by_staff(order: Order, data: Mapping[str, Any], *, username: str) -> Promise | str:
    """Order a waybill for a person and say what became of it. Raises `DomainError`, the carrier's refusal too."""
    account, warehouse = data["account"], data["warehouse"]
    wanted = WantedWaybill(
        carrier=data["carrier"],
        account=account.slug if account.merchant_id == order.merchant_id else "",
        warehouse=warehouse.slug if warehouse.merchant_id == order.merchant_id else "-",
        insured_value=data["insured_value"],
    )
    with transaction.atomic():
        stored = reserve(order, wanted, actor=Actor("staff", username))
    waybill = order_now(stored)
    if waybill.status == WaybillStatus.REFUSED:
        raise errors.waybill_refused(refusal_text(waybill))
    return _said(waybill)


def _said(waybill: WaybillOrder) -> Promise | str:
    if waybill.is_made:
        return _("The waybill is made: %(number)s.") % {"number": waybill.tracking_number}
    return _(
        "The carrier has not answered; the waybill is resolved in the background, and no second one is made."
    )


class NumberForm(ReasonForm):
    """The right carrier and number of a parcel, with the reason of the change."""

    carrier = forms.ChoiceField(label=_("carrier"), choices=CARRIERS, widget=fields.select())
    number = forms.CharField(label=_("waybill number"), max_length=40, widget=fields.text_input())
    field_order = ("carrier", "number", "reason")


def present_number(parcel: Shipment) -> Mapping[str, Any]:
    return {"carrier": parcel.carrier, "number": parcel.tracking_number}
