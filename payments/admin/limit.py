"""Admin pages of money limits. A change takes two persons, and nobody changes a limit of a role of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from orders.admin.change_request import outcome_of
from orders.approvals import limit_changes
from orders.models import MoneyLimit
from ordersite.lib.adminkit import badges, fields
from ordersite.lib.adminkit.add_form import AddByFormMixin
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ReasonForm, log_action, person
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin

CHANGE, REMOVE = "payments.change_moneylimit", "payments.delete_moneylimit"


class RoleField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return gettext(obj.name)


class AmountForm(ReasonForm):
    amount = forms.DecimalField(
        label=_("up to"), min_value=Decimal(0), max_digits=12, decimal_places=2, widget=fields.text_input()
    )
    field_order: Sequence[str] = ("amount", "reason")


class AddLimitForm(AmountForm):
    role = RoleField(Group.objects.order_by("id"), label=_("role"), widget=fields.select())
    action = forms.ChoiceField(
        label=pgettext_lazy("money limit", "action"),
        choices=MoneyLimit.LimitedAction.choices,
        widget=fields.select(),
    )
    field_order = ("role", "action", "amount", "reason")


def _propose(request: HttpRequest, limit: MoneyLimit, data: Mapping[str, Any]) -> str | Promise:
    action = MoneyLimit.LimitedAction(limit.action)
    return outcome_of(
        limit_changes.propose(
            limit.role, action, data.get("amount"), user=person(request), reason=data["reason"]
        )
    )


@admin.register(MoneyLimit)
class MoneyLimitAdmin(AddByFormMixin, ConfirmedActionsMixin, ReadOnlyAdmin):
    list_display = ("role_name", "action", "sum")
    list_filter = ("action",)
    list_select_related = ("role",)
    ordering = ("action", "role_id")
    fields = ("role_name", "action", "sum")
    readonly_fields = ("role_name", "sum")
    add_by = AddLimitForm
    add_title = _("Propose a money limit")
    add_explain = _("The limit holds as soon as an auditor or administrator has approved it.")
    confirmed = (
        Confirmed(
            "change",
            _("Propose another amount"),
            CHANGE,
            _("The old limit holds until an auditor or administrator approves the change."),
            _propose,
            form=AmountForm,
            icon="edit",
            initial=lambda limit: {"amount": limit.amount},
        ),
        Confirmed(
            "remove",
            _("Propose to remove it"),
            REMOVE,
            _("Without a limit the permission alone decides. The limit holds until the removal is approved."),
            _propose,
            form=ReasonForm,
            tone="bad",
            icon="delete",
        ),
    )

    def create(self, request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
        action = MoneyLimit.LimitedAction(data["action"])
        change = limit_changes.propose(
            data["role"], action, data["amount"], user=person(request), reason=data["reason"]
        )
        messages.success(request, str(outcome_of(change)))
        log_action(request, change, "propose")
        return HttpResponseRedirect(reverse("admin:payments_moneylimit_changelist"))

    def facts_of(self, row: Any) -> SafeString:
        return badges.facts(
            [
                (_("role"), self.role_name(row)),
                (pgettext_lazy("money limit", "action"), row.get_action_display()),
                (_("up to"), self.sum(row)),
            ]
        )

    @admin.display(description=_("role"))
    def role_name(self, limit: MoneyLimit) -> str:
        return gettext(limit.role.name)

    @admin.display(description=_("up to"))
    def sum(self, limit: MoneyLimit) -> SafeString:
        return badges.money(limit.amount)
