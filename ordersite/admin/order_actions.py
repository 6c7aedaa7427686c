"""The staff's actions on an order. Each calls `orders.lifecycle` or `orders.closing`, which check again under the lock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from logistics.admin.dispatch import AnyWarehouseForm, said_of
from logistics.admin.waybill_form import WaybillOrderForm, first_choice, order_by_staff
from logistics.dispatch.instructions import by_hand
from orders import closing, machine
from orders.approvals.order_kind import staff
from orders.models import Order, OrderStatus
from orders.risk import reviews
from ordersite.automation import tagging
from ordersite.automation.models.tag import LONGEST_TAG
from ordersite.automation.tags import tags_of
from ordersite.lib.adminkit import fields
from ordersite.lib.adminkit.confirmed import ActionReply, Confirmed, Lead, ReasonForm, person
from ordersite.order_bulk.operations import CLOSE, HOLD
from payments.manual.settle import SETTLEMENT

WAYBILL = "logistics.order_waybill"


def _close(request: HttpRequest, order: Order, data: Mapping[str, Any]) -> Promise:
    done = closing.cancel(
        order.number, reason=data["reason"], actor=staff(person(request)), trigger=machine.STAFF_CANCEL
    )
    if done == closing.CancelResult.CLOSE_REQUESTED:
        return _("The payment provider is queried first; the order closes as soon as it has answered.")
    return _("The order is closed.")


def _hold(request: HttpRequest, order: Order, data: Mapping[str, Any]) -> Promise:
    reviews.hold_order(order.pk, user=person(request), reason=data["reason"])
    return _("The order is held. It does not ship until somebody releases it.")


def _release(request: HttpRequest, order: Order, data: Mapping[str, Any]) -> Promise:
    reviews.release_order(order.pk, user=person(request), reason=data["reason"])
    return _("The order is released.")


def _order_waybill(request: HttpRequest, order: Order, data: Mapping[str, Any]) -> Promise | str:
    return order_by_staff(order, data, username=request.user.get_username())


def _dispatch(request: HttpRequest, order: Order, data: Mapping[str, Any]) -> Promise | str | ActionReply:
    warehouse, reason = data["warehouse"], data["reason"]
    if warehouse is None:
        return said_of(by_hand.route_again(order.pk, actor=staff(person(request)), reason=reason))
    by_hand.send_from(warehouse, order.pk, actor=staff(person(request)), reason=reason)
    return str(_("%(warehouse)s is instructed now.") % {"warehouse": warehouse.name})


class TagForm(forms.Form):
    """A new tag."""

    tag = forms.CharField(
        label=pgettext_lazy("order", "tag"), max_length=LONGEST_TAG, widget=fields.text_input()
    )


class RemoveTagForm(forms.Form):
    """One of the order's tags."""

    tag = forms.ChoiceField(label=pgettext_lazy("order", "tag"), widget=fields.select())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice: Any = self.fields["tag"]
        choice.choices = [(name, name) for name in self.initial.get("tags", ())]


def _add_tag(request: HttpRequest, order: Order, data: Mapping[str, Any]) -> Promise:
    tagging.add_tag(order.pk, data["tag"], actor=staff(person(request)))
    return _("The tag is on the order.")


def _remove_tag(request: HttpRequest, order: Order, data: Mapping[str, Any]) -> Promise:
    tagging.remove_tag(order.pk, data["tag"], actor=staff(person(request)))
    return _("The tag is off the order.")


def _has_tags(order: Order) -> bool:
    return bool(tags_of([order.pk])[order.pk])


def _may_be_dispatched(order: Order) -> bool:
    """Whether it may ship, its shop has warehouses that take instructions, and none of them is at work on all of it."""
    return _may_ship(order) and by_hand.is_uninstructed(order)


def _may_ship(order: Order) -> bool:
    return order.status == OrderStatus.PAID and not order.is_stopped


LEADS = (
    Lead(
        "settle",
        _("Manual settlement"),
        SETTLEMENT.may_propose,
        lambda order: f"{reverse('admin:payments_settlementrequest_add')}?order={order.number}",
        fits=lambda order: order.status == OrderStatus.PENDING,
        icon="add_card",
    ),
)
ACTIONS = (
    Confirmed(
        "close",
        _("Close order"),
        CLOSE,
        _(
            "An unpaid order is closed. If a payment was started, the provider is queried first: a payment that is "
            "there wins."
        ),
        _close,
        form=ReasonForm,
        fits=lambda order: order.status == OrderStatus.PENDING and not order.closing_at,
        tone="bad",
        icon="cancel",
    ),
    Confirmed(
        "hold",
        _("Hold"),
        HOLD,
        _("The order may be paid, but does not ship until somebody releases it."),
        _hold,
        form=ReasonForm,
        fits=lambda order: order.status in reviews.UNSHIPPED and not order.held,
        tone="bad",
        icon="front_hand",
    ),
    Confirmed(
        "release",
        _("Release"),
        HOLD,
        _("The order may ship."),
        _release,
        form=ReasonForm,
        fits=lambda order: order.held,
        icon="play_arrow",
    ),
    Confirmed(
        "waybill",
        _("Order waybill"),
        WAYBILL,
        _(
            "A waybill for all that is left of the order is ordered at the carrier. Its goods are reserved at once; the "
            "order is shipped when the carrier has made it."
        ),
        _order_waybill,
        form=WaybillOrderForm,
        fits=_may_ship,
        icon="label",
        initial=first_choice,
    ),
    Confirmed(
        "dispatch",
        _("Instruct a warehouse"),
        by_hand.MANAGE,
        _("For what is left of the order and no warehouse is instructed to send: the rules choose, or you."),
        _dispatch,
        form=AnyWarehouseForm,
        fits=_may_be_dispatched,
        icon="hub",
        initial=lambda order: {"merchant": order.merchant_id},
    ),
    Confirmed(
        "tag",
        _("Put a tag on"),
        tagging.ADD,
        _("The list of orders shows it and filters by it. It stands in the order's history."),
        _add_tag,
        form=TagForm,
        icon="new_label",
    ),
    Confirmed(
        "untag",
        _("Take a tag off"),
        tagging.ADD,
        _("Whoever put it there. It stands in the order's history."),
        _remove_tag,
        form=RemoveTagForm,
        fits=_has_tags,
        icon="label_off",
        initial=lambda order: {"tags": tags_of([order.pk])[order.pk]},
    ),
)
