"""Pages of webhook endpoints: what they have chosen, how they answer, and the buttons for their troubles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _gettext
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.add_form import AddByFormMixin
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ShownOnce, person
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.merchant_webhooks import pause
from ordersite.merchant_webhooks.admin.forms import (
    AddEndpointForm,
    EndpointForm,
    ResendForm,
    last_day,
    values_of,
)
from ordersite.merchant_webhooks.admin.words import condition_of
from ordersite.merchant_webhooks.catalogue import label_of
from ordersite.merchant_webhooks.models import WebhookDelivery, WebhookEndpoint
from ordersite.merchant_webhooks.resend import QueuedIn, resend_range
from ordersite.merchant_webhooks.save import add_endpoint, change_endpoint, rotate_secret
from ordersite.merchant_webhooks.trial import queue_test
from ordersite.outside_accounts.account_pages import AccountColumnsMixin, is_off, is_on

CHANGE = "merchant_webhooks.change_webhookendpoint"
RESEND = "merchant_webhooks.resend_webhookdelivery"
# A list is not counted further.
_MOST_WAITING = 1_000
_ONCE = _("Give it to the receiver, which checks signatures with it. It is not shown again.")


def _settings(request: HttpRequest, endpoint: WebhookEndpoint, data: Mapping[str, Any]) -> Promise:
    change_endpoint(endpoint, url=data["url"], events=data["events"], by=person(request))
    return _("Saved.")


def _rotate(request: HttpRequest, endpoint: WebhookEndpoint, _data: Mapping[str, Any]) -> ShownOnce:
    saved = rotate_secret(endpoint, by=person(request))
    return ShownOnce(_("secret"), saved.secret, _ONCE)


def _test(_request: HttpRequest, endpoint: WebhookEndpoint, _data: Mapping[str, Any]) -> Promise:
    queue_test(endpoint)
    return _("The test message is on its way. Its answer stands under the deliveries in a moment.")


def _pause(_request: HttpRequest, endpoint: WebhookEndpoint, _data: Mapping[str, Any]) -> Promise:
    pause.pause(endpoint)
    return _("Paused. What happens meanwhile is kept for seven days.")


def _resume(_request: HttpRequest, endpoint: WebhookEndpoint, _data: Mapping[str, Any]) -> Promise:
    pause.resume(endpoint)
    return _("It is sent to again; what waited goes out now.")


def _resend(request: HttpRequest, endpoint: WebhookEndpoint, data: Mapping[str, Any]) -> str:
    chosen = QueuedIn(data["start"], data["end"], with_delivered=data["with_delivered"])
    number = resend_range(endpoint, chosen, by=person(request), reason=data["reason"])
    return _gettext("%(number)s messages are sent again.") % {"number": f"{number:,}"}


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(AccountColumnsMixin, AddByFormMixin, ConfirmedActionsMixin, ReadOnlyAdmin):
    list_display = ("host", "merchant", "condition", "number_of_events", "last_success")
    list_display_links = ("host",)
    list_filter = ("merchant", "is_active")
    list_select_related = ("merchant",)
    fields = ("merchant", "url", "condition", "trouble", "circuit", "chosen", "sent", "secret", "changed")
    readonly_fields = ("condition", "trouble", "circuit", "chosen", "sent", "secret", "changed")
    last_success = columns.plain("last_success_at", _("last delivered at"))
    add_by = AddEndpointForm
    add_title = _("Add webhook endpoint")
    add_explain = _(
        "Each chosen event of the merchant's orders is sent there, signed. The secret is shown once."
    )
    confirmed = (
        Confirmed(
            "settings",
            _("Settings"),
            CHANGE,
            _("What waits already goes to the new address too."),
            _settings,
            form=EndpointForm,
            initial=values_of,
            icon="tune",
        ),
        Confirmed(
            "test",
            _("Send a test message"),
            CHANGE,
            _("One message webhook.test is sent, signed like all others."),
            _test,
            fits=is_on,
            icon="network_check",
        ),
        Confirmed(
            "resend",
            _("Send again"),
            RESEND,
            _(
                "All messages of a time that did not arrive are sent again, under the same ids. It is recorded."
            ),
            _resend,
            form=ResendForm,
            initial=last_day,
            icon="replay",
        ),
        Confirmed(
            "rotate",
            _("Rotate the secret"),
            CHANGE,
            _("A new secret is made. For 24 hours the old one signs along, so that no message is lost."),
            _rotate,
            icon="key",
        ),
        Confirmed(
            "pause",
            _("Pause"),
            CHANGE,
            _("Nothing is sent. What happens is kept for seven days and sent when you resume."),
            _pause,
            fits=is_on,
            tone="bad",
            icon="pause_circle",
        ),
        Confirmed(
            "resume",
            _("Resume"),
            CHANGE,
            _("What waits is sent, each order's messages in their order."),
            _resume,
            fits=is_off,
            icon="play_circle",
        ),
    )

    def create(self, request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
        saved = add_endpoint(data["merchant"], url=data["url"], events=data["events"], by=person(request))
        self.log_addition(request, saved.endpoint, "add")
        context = {"label": _("secret"), "value": saved.secret, "explain_once": _ONCE}
        return self.desk_page(request, "admin/desk/shown_once.html", context)

    @admin.display(description=pgettext_lazy("webhook", "receiver"))
    def host(self, endpoint: WebhookEndpoint) -> str:
        return endpoint.host

    @admin.display(description=_("status"))
    def condition(self, endpoint: WebhookEndpoint) -> SafeString:
        """Paused, failing, or on: in words."""
        words, tone = condition_of(endpoint)
        return badges.badge(words, tone=tone)

    @admin.display(description=pgettext_lazy("webhook", "events"))
    def number_of_events(self, endpoint: WebhookEndpoint) -> SafeString:
        return badges.number(len(endpoint.events))

    @admin.display(description=pgettext_lazy("webhook", "trouble"))
    def trouble(self, endpoint: WebhookEndpoint) -> SafeString:
        """Why it is paused, and since when it fails."""
        return badges.facts(
            (
                (_("reason of the pause"), endpoint.get_pause_reason_display()),
                (_("paused at"), badges.ago(endpoint.paused_at) if endpoint.paused_at else ""),
                (_("failing since"), badges.ago(endpoint.failing_since) if endpoint.failing_since else ""),
            )
        )

    @admin.display(description=pgettext_lazy("webhook", "events"))
    def chosen(self, endpoint: WebhookEndpoint) -> SafeString:
        rows = ((label_of(name), name) for name in endpoint.events)
        return format_html(
            '<ul class="os-list">{}</ul>', format_html_join("", "<li>{} <code>{}</code></li>", rows)
        )

    @admin.display(description=pgettext_lazy("webhook", "deliveries"))
    def sent(self, endpoint: WebhookEndpoint) -> SafeString:
        """How many wait, when the last one arrived, and the way to all of them."""
        waiting = WebhookDelivery.objects.waiting().filter(endpoint=endpoint)[: _MOST_WAITING + 1].count()
        number = f"> {_MOST_WAITING:,}" if waiting > _MOST_WAITING else f"{waiting:,}"
        log = reverse("admin:merchant_webhooks_webhookdelivery_changelist")
        link = format_html(
            '<a class="os-link" href="{}?endpoint={}">{}</a>', log, endpoint.pk, _("all deliveries")
        )
        last = endpoint.last_success_at
        return badges.facts(
            (
                (pgettext_lazy("webhook", "waiting"), number),
                (_("last delivered at"), badges.ago(last) if last else ""),
                (pgettext_lazy("webhook", "log"), link),
            )
        )

    @admin.display(description=_("secret"))
    def secret(self, endpoint: WebhookEndpoint) -> SafeString:
        """Whether an old one signs along; the secret itself is never shown."""
        until = endpoint.rotating_until
        return badges.facts(
            (
                (_("secret"), _("sealed, not shown")),
                (_("old secret signs until"), badges.ago(until) if until else ""),
            )
        )
