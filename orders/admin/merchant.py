"""Admin pages of merchants and their members. Changing a switch that decides about money takes two persons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.core.validators import MinValueValidator
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from orders.admin.change_request import outcome_of
from orders.approvals import switches
from orders.approvals.switches import Switches, switches_of
from orders.models import Merchant, MerchantMember
from orders.models.merchant import LatePayments
from ordersite.lib.adminkit import badges, fields
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ReasonForm, person
from ordersite.lib.adminkit.read_only import DeskAdmin

SWITCH_FIELDS = ("late_payments", "allows_single_operator", "single_operator_wait_minutes")


class SwitchesForm(ReasonForm):
    """Propose new values of a merchant's switches, with the reason."""

    late_payments = forms.ChoiceField(
        label=_("late payments"), choices=LatePayments.choices, widget=fields.select()
    )
    allows_single_operator = forms.BooleanField(
        label=_("one person may decide alone"), required=False, widget=UnfoldBooleanSwitchWidget()
    )
    single_operator_wait_minutes = forms.IntegerField(
        label=_("wait before deciding alone (minutes)"),
        validators=[MinValueValidator(5)],
        max_value=60 * 24 * 30,
        widget=UnfoldAdminTextInputWidget(),
    )
    field_order = (*SWITCH_FIELDS, "reason")


def _propose(request: HttpRequest, merchant: Merchant, data: Mapping[str, Any]) -> str | Promise:
    wanted = Switches(**{name: data[name] for name in SWITCH_FIELDS})
    return outcome_of(switches.propose(merchant.pk, wanted, user=person(request), reason=data["reason"]))


def _present(merchant: Merchant) -> Mapping[str, Any]:
    present = switches_of(merchant)
    return {name: getattr(present, name) for name in SWITCH_FIELDS}


class MemberInline(TabularInline):
    model = MerchantMember
    extra = 0
    autocomplete_fields = ("user",)


@admin.register(Merchant)
class MerchantAdmin(ConfirmedActionsMixin, DeskAdmin):
    """Admin of merchants. The slug stands in addresses and file names, so it is set once."""

    list_display = ("name", "slug", "payment_timeout_minutes", "is_active", "created_at")
    list_filter = ("is_active",)
    inlines = (MemberInline,)
    confirmed = (
        Confirmed(
            "switches",
            _("Propose other money switches"),
            "orders.change_merchant",
            _("The old switches hold until a colleague of finance approves the change."),
            _propose,
            form=SwitchesForm,
            icon="published_with_changes",
            initial=_present,
        ),
    )

    def get_fields(self, request: HttpRequest, obj: Merchant | None = None) -> list[Any]:
        """Leave the switches out of the form of a new shop: it starts with the careful ones, others are proposed."""
        shown = list(super().get_fields(request, obj))
        return shown if obj else [name for name in shown if name not in SWITCH_FIELDS]

    def get_readonly_fields(self, request: HttpRequest, obj: Merchant | None = None) -> tuple[str, ...]:
        return ("slug", *SWITCH_FIELDS) if obj else ()

    def facts_of(self, row: Any) -> SafeString:
        kind = switches.SWITCHES
        return badges.facts(
            [(kind.label_of(name), kind.text_of(name, str(value))) for name, value in _present(row).items()]
        )
