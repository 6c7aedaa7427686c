"""Pages of messages: what was told to whom over which channel, how each attempt ended, and sending one again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ReasonForm, person
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin, ReadOnlyInline
from ordersite.lib.adminkit.search import ShapeSearchMixin, order_number, row_id
from ordersite.messaging.labels import channel_label, reason_text, state_text, tone_of
from ordersite.messaging.models import BuyerMessage, MessageAttempt, MessageEvent, MessageResend
from ordersite.messaging.resend import RIGHT, resend

DOUBTS = (
    ("uncertain", _("may have been sent")),
    ("twice", _("may have been sent twice")),
    ("undelivered", _("not delivered")),
)
_CONDITIONS: Mapping[str, Q] = {
    "uncertain": Q(is_uncertain=True),
    "twice": Q(may_be_twice=True),
    "undelivered": Q(is_delivered=False),
}


class DoubtFilter(admin.SimpleListFilter):
    """Filter by what nobody can be sure of."""

    title = _("doubts")
    parameter_name = "doubt"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(DOUBTS)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        condition = _CONDITIONS.get(self.value() or "")
        return queryset.filter(condition) if condition else queryset


def _resend(request: HttpRequest, message: BuyerMessage, data: Mapping[str, Any]) -> Promise:
    resend(message.pk, by=person(request), reason=data["reason"])
    return _("The message is queued again.")


class AttemptsInline(ReadOnlyInline):
    model = MessageAttempt
    fields = ("at", "channel", "result", "words", "vendor_id", "duration_ms")
    verbose_name_plural = _("attempts")


class ResendsInline(ReadOnlyInline):
    model = MessageResend
    fields = ("at", "by", "reason")
    verbose_name_plural = _("sent again by people")


@admin.register(BuyerMessage)
class BuyerMessageAdmin(ShapeSearchMixin, ConfirmedActionsMixin, ReadOnlyAdmin):
    list_display = ("fact", "order_link", "way", "recipient", "state", "why", "tried")
    list_display_links = ("fact",)
    list_filter = ("status", "event", DoubtFilter, "merchant")
    list_select_related = ("order", "account", "template")
    search_fields = ("order__number",)
    search_help_text = _("Order number, or the number of a message like #12")
    shapes = (row_id(), order_number())
    fields = (
        "fact", "order_link", "merchant", "state", "why", "way", "recipient", "text", "outside_id", "report",
        "created_at", "last_try_at", "next_try_at", "settled_at",
    )  # fmt: skip
    readonly_fields = ("fact", "order_link", "way", "state", "why", "report")
    inlines = (AttemptsInline, ResendsInline)
    order_link = columns.order()
    confirmed = (
        Confirmed(
            "resend",
            _("Send again"),
            RIGHT,
            _("The buyer may get the message a second time. Stop list, quiet hours and daily bounds hold."),
            _resend,
            form=ReasonForm,
            fits=lambda message: not message.is_waiting,
            icon="forward_to_inbox",
        ),
    )

    @admin.display(description=_("message"))
    def fact(self, message: BuyerMessage) -> str:
        return str(message.template or MessageEvent(message.event).label)

    @admin.display(description=_("channel"))
    def way(self, message: BuyerMessage) -> Any:
        return channel_label(message.account.channel) if message.account else badges.NOTHING

    @admin.display(description=_("status"))
    def state(self, message: BuyerMessage) -> SafeString:
        return badges.badge(state_text(message), tone=tone_of(message))

    @admin.display(description=_("reason"))
    def why(self, message: BuyerMessage) -> Any:
        return reason_text(message.reason) or badges.NOTHING

    @admin.display(description=_("the vendor's report"))
    def report(self, message: BuyerMessage) -> Any:
        return message.delivery_words or badges.NOTHING

    @admin.display(description=_("tried at"))
    def tried(self, message: BuyerMessage) -> SafeString:
        return badges.ago(message.last_try_at)
