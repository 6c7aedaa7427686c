"""The staff's actions on an order. Each calls `orders.lifecycle` or `orders.closing`, which check again under the lock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from orders import closing, lifecycle, machine
from orders.changes import Hold, ReleaseHold, Result
from orders.errors import refused
from orders.history.lines import Actor
from orders.models import Order, OrderStatus
from ordersite.lib.adminkit.confirmed import Confirmed, Lead, ReasonForm
from payments.manual.settle import SETTLEMENT

CLOSE, HOLD = "orders.close_order", "orders.hold_order"
UNSHIPPED = (OrderStatus.PENDING, OrderStatus.PAID)


def staff(request: HttpRequest) -> Actor:
    """Return the logged-in person as actor of a history line."""
    return Actor("staff", request.user.get_username())


def _close(request: HttpRequest, order: Order, data: Mapping[str, Any]) -> Promise:
    done = closing.cancel(
        order.number, reason=data["reason"], actor=staff(request), trigger=machine.STAFF_CANCEL
    )
    if done == closing.CancelResult.CLOSE_REQUESTED:
        return _("The payment provider is queried first; the order closes as soon as it has answered.")
    return _("The order is closed.")


def _hold(request: HttpRequest, order: Order, data: Mapping[str, Any]) -> Promise:
    with transaction.atomic():
        locked = lifecycle.lock([order.pk])[order.pk]
        if locked.status not in UNSHIPPED:
            raise refused(f"order_{locked.status}", order.number)
        hold = Hold(locked.pk, staff(request), data["reason"])
        if lifecycle.apply_one(locked, hold).result is Result.ALREADY:
            raise refused("already_held", order.number)
    return _("The order is held. It does not ship until somebody releases it.")


def _release(request: HttpRequest, order: Order, data: Mapping[str, Any]) -> Promise:
    with transaction.atomic():
        locked = lifecycle.lock([order.pk])[order.pk]
        release = ReleaseHold(locked.pk, staff(request), data["reason"])
        if lifecycle.apply_one(locked, release).result is Result.ALREADY:
            raise refused("not_held", order.number)
    return _("The order is released.")


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
        fits=lambda order: order.status in UNSHIPPED and not order.held,
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
)
