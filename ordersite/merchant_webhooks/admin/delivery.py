"""The delivery log: each message of each endpoint with its request, its tries and their answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ReasonForm, person
from ordersite.lib.adminkit.raw_call import preformatted
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin, column, order_number, row_id
from ordersite.merchant_webhooks.admin.endpoint import RESEND
from ordersite.merchant_webhooks.admin.words import answer_of, body_of, last_answer_of, state_of
from ordersite.merchant_webhooks.catalogue import label_of
from ordersite.merchant_webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookTry
from ordersite.merchant_webhooks.resend import resend

_MOST_TRIES = 50


class EndpointFilter(admin.SimpleListFilter):
    title = _("webhook endpoint")
    parameter_name = "endpoint"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        endpoints = WebhookEndpoint.objects.select_related("merchant").order_by("merchant__slug", "pk")
        return [(str(one.pk), f"{one.merchant.slug} · {one.host}") for one in endpoints]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]
    ) -> QuerySet[WebhookDelivery]:
        value = self.value() or ""
        known = {key for key, _name in self.lookup_choices}
        return queryset.filter(endpoint_id=int(value)) if value in known else queryset


def _resend(request: HttpRequest, delivery: WebhookDelivery, data: Mapping[str, Any]) -> Promise:
    resend(delivery, by=person(request), reason=data["reason"])
    return _("It is sent again, under the same id.")


def _has_ended(delivery: WebhookDelivery) -> bool:
    return not delivery.is_waiting


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ConfirmedActionsMixin, ShapeSearchMixin, ReadOnlyAdmin):
    order_link = columns.order()
    list_display = ("serial", "event", "order_link", "state", "answer", "created")
    list_display_links = ("serial", "event")
    list_select_related = ("endpoint", "message", "order")
    list_filter = (EndpointFilter, "status")
    search_fields = ("id",)
    search_help_text = _("Number of the delivery, message id or order number")
    shapes = (row_id(), column(r"msg_[0-9a-f]{24}", "message__webhook_id"), order_number())
    fields = ("event", "order_link", "receiver", "state", "times", "sent", "tries")
    readonly_fields = ("event", "order_link", "receiver", "state", "times", "sent", "tries")
    created = columns.plain("created_at", _("created at"))
    confirmed = (
        Confirmed(
            "resend",
            _("Send again"),
            RESEND,
            _("The same message is sent once more, under the same id. It is recorded."),
            _resend,
            form=ReasonForm,
            fits=_has_ended,
            icon="replay",
        ),
    )

    @admin.display(description=pgettext_lazy("webhook", "number"))
    def serial(self, delivery: WebhookDelivery) -> str:
        return f"#{delivery.pk}"

    @admin.display(description=_("event"))
    def event(self, delivery: WebhookDelivery) -> str:
        return label_of(delivery.message.name)

    @admin.display(description=pgettext_lazy("webhook", "receiver"))
    def receiver(self, delivery: WebhookDelivery) -> SafeString:
        return badges.link(
            delivery.endpoint.host, "admin:merchant_webhooks_webhookendpoint_change", delivery.endpoint_id
        )

    @admin.display(description=_("status"))
    def state(self, delivery: WebhookDelivery) -> SafeString:
        words, tone = state_of(delivery)
        return badges.badge(words, tone=tone)

    @admin.display(description=_("answer"))
    def answer(self, delivery: WebhookDelivery) -> str:
        return last_answer_of(delivery)

    @admin.display(description=pgettext_lazy("webhook", "times"))
    def times(self, delivery: WebhookDelivery) -> SafeString:
        moments = (
            (_("happened at"), delivery.message.happened_at),
            (_("created at"), delivery.created_at),
            (_("tried at"), delivery.last_try_at),
            (_("tried next at"), delivery.next_try_at),
            (_("ended at"), delivery.settled_at),
            (_("sent again at"), delivery.resent_at),
        )
        return badges.facts((name, badges.ago(at)) for name, at in moments if at is not None)

    @admin.display(description=_("request"))
    def sent(self, delivery: WebhookDelivery) -> SafeString:
        """Its id and the beginning of its body, without personal data."""
        message = delivery.message
        facts = badges.facts([(_("message id"), message.webhook_id)])
        return format_html("{}{}", facts, preformatted(body_of(message)))

    @admin.display(description=_("attempts"))
    def tries(self, delivery: WebhookDelivery) -> SafeString:
        return badges.facts(_lines(delivery.tries.order_by("-pk")[:_MOST_TRIES]))


def _lines(tries: Iterable[WebhookTry]) -> Iterable[tuple[SafeString, str]]:
    for one in tries:
        yield badges.ago(one.at), f"{answer_of(one.http_status, one.words)} · {one.duration_ms:,} ms"
