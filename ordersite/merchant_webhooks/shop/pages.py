"""The merchant's own pages of webhook endpoints, for the owner of the shop: what the back office does, for one shop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orders.models import Merchant
from ordersite.lib.errors import DomainError
from ordersite.merchant.access import for_owners
from ordersite.merchant_webhooks import pause
from ordersite.merchant_webhooks.admin.forms import values_of
from ordersite.merchant_webhooks.admin.words import answer_of, body_of, condition_of, state_of
from ordersite.merchant_webhooks.catalogue import label_of
from ordersite.merchant_webhooks.models import WebhookDelivery, WebhookEndpoint
from ordersite.merchant_webhooks.resend import resend
from ordersite.merchant_webhooks.save import SavedEndpoint, add_endpoint, change_endpoint, rotate_secret
from ordersite.merchant_webhooks.shop.forms import ShopEndpointForm, ShopResendForm
from ordersite.merchant_webhooks.trial import queue_test
from ordersite.queue import audit

PAGE_SIZE, MOST_TRIES = 20, 50
page = require_http_methods(["GET", "HEAD", "POST"])


def person(request: HttpRequest) -> User:
    """Who is logged in; the pages are closed to others."""
    assert isinstance(request.user, User)
    return request.user


def own_endpoint(merchant: Merchant, endpoint_id: int) -> WebhookEndpoint:
    """Another shop's endpoint is not there: 404."""
    rows = WebhookEndpoint.objects.select_related("merchant")
    return get_object_or_404(rows, merchant=merchant, pk=endpoint_id)


@require_safe
@for_owners
def endpoint_list(request: HttpRequest, merchant: Merchant) -> HttpResponse:
    rows = WebhookEndpoint.objects.filter(merchant=merchant).order_by("pk")
    listed = [(row, condition_of(row), len(row.events)) for row in rows]
    return render(request, "merchant/webhooks.html", {"merchant": merchant, "rows": listed})


@page
@for_owners
def endpoint_add(request: HttpRequest, merchant: Merchant) -> HttpResponse:
    form = ShopEndpointForm(request.POST or None)

    def save(data: Mapping[str, Any]) -> HttpResponse:
        saved = add_endpoint(merchant, url=data["url"], events=data["events"], by=person(request))
        return _shown_once(request, saved)

    return _filled_in(request, form, save) or render(
        request, "merchant/webhook_form.html", {"form": form, "endpoint": None}
    )


@page
@for_owners
def endpoint_settings(request: HttpRequest, merchant: Merchant, endpoint_id: int) -> HttpResponse:
    endpoint = own_endpoint(merchant, endpoint_id)
    form = ShopEndpointForm(request.POST or None, initial=values_of(endpoint))

    def save(data: Mapping[str, Any]) -> HttpResponse:
        change_endpoint(endpoint, url=data["url"], events=data["events"], by=person(request))
        messages.success(request, _("Saved."))
        return redirect("shop-webhook", endpoint.pk)

    return _filled_in(request, form, save) or render(
        request, "merchant/webhook_form.html", {"form": form, "endpoint": endpoint}
    )


def _filled_in(
    request: HttpRequest, form: ShopEndpointForm, save: Callable[[Mapping[str, Any]], HttpResponse]
) -> HttpResponse | None:
    """Save what was sent; None where there is nothing to save, or it was refused, which the form then says."""
    if request.method != "POST" or not form.is_valid():
        return None
    try:
        return save(form.cleaned_data)
    except DomainError as refused:
        form.add_error(None, refused.message)
        return None


def _shown_once(request: HttpRequest, saved: SavedEndpoint) -> HttpResponse:
    return render(
        request, "merchant/webhook_secret.html", {"endpoint": saved.endpoint, "secret": saved.secret}
    )


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """One page of deliveries by keyset; `older` is the last one's number where there are more."""

    rows: list[tuple[WebhookDelivery, str, tuple[str | Promise, str], str]]
    older: int | None
    is_first: bool


def _delivery_page(endpoint: WebhookEndpoint, before: str) -> DeliveryPage:
    rows = WebhookDelivery.objects.filter(endpoint=endpoint).select_related("message", "order")
    last = rows.filter(pk=int(before)).first() if before.isascii() and before.isdecimal() else None
    if last is not None:
        rows = rows.filter(Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, pk__lt=last.pk))
    found = list(rows.order_by("-created_at", "-pk")[: PAGE_SIZE + 1])
    shown = [
        (
            row,
            label_of(row.message.name),
            state_of(row),
            answer_of(row.last_status, "" if row.last_status else row.last_words),
        )
        for row in found[:PAGE_SIZE]
    ]
    return DeliveryPage(shown, found[PAGE_SIZE - 1].pk if len(found) > PAGE_SIZE else None, last is None)


@require_safe
@for_owners
def endpoint_page(request: HttpRequest, merchant: Merchant, endpoint_id: int) -> HttpResponse:
    endpoint = own_endpoint(merchant, endpoint_id)
    context = {
        "merchant": merchant,
        "endpoint": endpoint,
        "condition": condition_of(endpoint),
        "events": [(label_of(name), name) for name in endpoint.events],
        "page": _delivery_page(endpoint, request.GET.get("before", "")[:18]),
    }
    return render(request, "merchant/webhook.html", context)


@require_POST
@for_owners
def endpoint_rotate(request: HttpRequest, merchant: Merchant, endpoint_id: int) -> HttpResponse:
    endpoint = own_endpoint(merchant, endpoint_id)
    return _shown_once(request, rotate_secret(endpoint, by=person(request)))


def _test(endpoint: WebhookEndpoint) -> Promise:
    if not endpoint.is_active:
        raise DomainError("endpoint_paused", _("It is paused: resume it first."))
    queue_test(endpoint)
    return _("The test message is on its way. Its answer stands under the deliveries in a moment.")


def _pause(endpoint: WebhookEndpoint) -> Promise:
    pause.pause(endpoint)
    return _("Paused. What happens meanwhile is kept for seven days.")


def _resume(endpoint: WebhookEndpoint) -> Promise:
    pause.resume(endpoint)
    return _("It is sent to again; what waited goes out now.")


_ACTIONS: Mapping[str, Callable[[WebhookEndpoint], Promise]] = {
    "test": _test,
    "pause": _pause,
    "resume": _resume,
}


@require_POST
@for_owners
def endpoint_action(request: HttpRequest, merchant: Merchant, endpoint_id: int, action: str) -> HttpResponse:
    """Test, pause or resume, noted in the audit."""
    endpoint = own_endpoint(merchant, endpoint_id)
    try:
        messages.success(request, str(_ACTIONS[action](endpoint)))
    except DomainError as refused:
        messages.error(request, refused.message)
    else:
        entry = audit.AuditedChange(endpoint._meta.db_table, endpoint.pk, action, "", endpoint.host)
        audit.record([entry], actor=audit.actor_of(person(request)))
    return redirect("shop-webhook", endpoint.pk)


@page
@for_owners
def delivery_page(request: HttpRequest, merchant: Merchant, delivery_id: int) -> HttpResponse:
    """A message with its request and tries; a POST sends it again, with a reason."""
    rows = WebhookDelivery.objects.select_related("endpoint", "message", "order")
    delivery = get_object_or_404(rows, endpoint__merchant=merchant, pk=delivery_id)
    form = ShopResendForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            resend(delivery, by=person(request), reason=form.cleaned_data["reason"])
        except DomainError as refused:
            messages.error(request, refused.message)
        else:
            messages.success(request, _("It is sent again, under the same id."))
        return redirect("shop-webhook-delivery", delivery.pk)
    tries = delivery.tries.order_by("-pk")[:MOST_TRIES]
    context = {
        "delivery": delivery,
        "label": label_of(delivery.message.name),
        "state": state_of(delivery),
        "body": body_of(delivery.message),
        "tries": [(one, answer_of(one.http_status, one.words)) for one in tries],
        "form": form,
    }
    return render(request, "merchant/webhook_delivery.html", context)
