"""The review desk: held orders that wait for a decision, the oldest first, each with the evidence side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders.labels import reason_label
from orders.models import HoldReview, HoldReviewQuerySet, OrderStatus, ReviewState
from ordersite.admin.order_labels import STATUS_TONES
from ordersite.bulk_jobs.desk import BulkAction, BulkActionsMixin
from ordersite.hold_desk import beside, decide, operations
from ordersite.hold_desk.decide import MAY_DECIDE
from ordersite.lib import masking
from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ReasonForm, person
from ordersite.lib.adminkit.queues import QueueFilter, is_open
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin, order_number, row_id

TONES: Mapping[str, str] = {
    ReviewState.OPEN: "bad",
    ReviewState.RELEASED: "good",
    ReviewState.CLOSED: "plain",
}


def _release(request: HttpRequest, review: HoldReview, data: Mapping[str, Any]) -> Promise:
    decide.release(review.pk, user=person(request), reason=data["reason"])
    return _("The order is released.") if not review.is_shipped else _("The review is closed.")


def _close(request: HttpRequest, review: HoldReview, data: Mapping[str, Any]) -> Promise:
    return operations.CLOSE_WORDS[decide.close(review.pk, user=person(request), reason=data["reason"])]


class ReviewStateFilter(QueueFilter):
    """Filter by state; without a choice, those that wait for a decision."""

    title = pgettext_lazy("review", "state")
    opens_with = ReviewState.OPEN.value

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*ReviewState.choices, ("all", _("all of them"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> HoldReviewQuerySet:
        found: HoldReviewQuerySet = queryset
        return found if self.chosen == "all" else found.filter(state=self.chosen)


@admin.register(HoldReview)
class HoldReviewAdmin(BulkActionsMixin, ConfirmedActionsMixin, ShapeSearchMixin, ReadOnlyAdmin):
    order_link = columns.order()
    list_display = ("name", "state_label", "age", "order_and_shop", "order_state", "total", "why", "buyer")
    list_display_links = ("name",)
    list_filter = (ReviewStateFilter, "merchant")
    list_select_related = ("order", "merchant", "decided_by")
    search_fields = ("order__number",)
    search_help_text = _("Order number or #review")
    empty_text = _("No order waits for a review.")
    shapes = (row_id(), order_number())
    fields = (
        "order_link",
        "order_state",
        "state_label",
        "grounds",
        "opened",
        "escalated",
        "decision",
        "why_so",
    )
    readonly_fields = fields
    change_form_after_template = "admin/orders/hold_review.html"
    bulk_actions = (
        BulkAction(operations.RELEASE_HELD, operations.chosen),
        BulkAction(operations.CLOSE_HELD, operations.chosen),
    )
    confirmed = (
        Confirmed(
            "release",
            pgettext_lazy("review", "Release"),
            MAY_DECIDE,
            _("The buyer is honest: the order may ship. The same attempts do not hold it again."),
            _release,
            form=ReasonForm,
            fits=is_open,
            icon="play_arrow",
        ),
        Confirmed(
            "close",
            _("Close or refund"),
            MAY_DECIDE,
            operations.CLOSE_HELD.explain,
            _close,
            form=ReasonForm,
            fits=is_open,
            tone="bad",
            icon="block",
        ),
    )

    def get_ordering(self, request: HttpRequest) -> Sequence[str]:
        """What waits longest comes first, decided ones by their age."""
        chosen = request.GET.get(ReviewStateFilter.parameter_name, ReviewState.OPEN)
        return ("opened_at", "pk") if chosen == ReviewState.OPEN else ("-id",)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        review = self.get_object(request, object_id) if self.has_view_permission(request) else None
        context = {"beside": beside.rows_of(review) if review else [], **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def facts_of(self, row: HoldReview) -> SafeString:
        return badges.facts(
            (
                (_("order"), row.order.number),
                (_("the order is"), self.order_state(row)),
                (_("total"), badges.money(row.order.total_amount)),
                (pgettext_lazy("review", "why"), self.grounds(row)),
            )
        )

    @admin.display(description=pgettext_lazy("review", "number"))
    def name(self, review: HoldReview) -> str:
        return f"#{review.pk}"

    @admin.display(description=pgettext_lazy("review", "state"))
    def state_label(self, review: HoldReview) -> SafeString:
        state = ReviewState(review.state)
        shown = badges.badge(state.label, tone=TONES[state])
        return (
            format_html("{} {}", shown, badges.badge(_("overdue"), tone="bad")) if _is_late(review) else shown
        )

    @admin.display(description=_("age"))
    def age(self, review: HoldReview) -> SafeString:
        return badges.lasting(review.opened_at, review.decided_at)

    @admin.display(description=_("the order is"))
    def order_state(self, review: HoldReview) -> SafeString:
        """The order's state, and whether it had left before it could be held."""
        status = OrderStatus(review.order.status)
        shown = [badges.badge(status.label, tone=STATUS_TONES[status])]
        if review.order.held:
            shown.append(badges.badge(_("held"), tone="bad"))
        if review.is_shipped:
            shown.append(badges.badge(_("left before it could be held"), tone="waiting"))
        if review.order.is_stopped_by_refund:
            shown.append(badges.badge(_("refund under way"), tone="waiting"))
        return format_html_join(" ", "{}", ((one,) for one in shown))

    @admin.display(description=_("total"))
    def total(self, review: HoldReview) -> SafeString:
        return badges.money(review.order.total_amount)

    @admin.display(description=pgettext_lazy("review", "why"))
    def why(self, review: HoldReview) -> SafeString:
        label, attempts = reason_label(review.rule), beside.summary_of(review)
        return format_html('<span class="os-nowrap">{}<br><small>{}</small></span>', label, attempts)

    @admin.display(description=pgettext_lazy("review", "why"))
    def grounds(self, review: HoldReview) -> SafeString:
        """The rule with what it counted."""
        texts = [reason_label(review.rule), *beside.grounds_of(review)]
        return format_html_join("", "<p>{}</p>", ((text,) for text in texts))

    @admin.display(description=_("buyer"))
    def buyer(self, review: HoldReview) -> SafeString:
        order = review.order
        name, phone = masking.mask_name(order.buyer_name), masking.mask_phone(order.buyer_phone)
        return format_html('<span class="os-nowrap">{}<br><small>{}</small></span>', name, phone)

    @admin.display(description=_("order"))
    def order_and_shop(self, review: HoldReview) -> SafeString:
        return format_html("{}<br><small>{}</small>", self.order_link(review), review.merchant.name)

    @admin.display(description=pgettext_lazy("review", "opened at"))
    def opened(self, review: HoldReview) -> SafeString:
        return badges.ago(review.opened_at)

    @admin.display(description=_("supervisors mailed at"))
    def escalated(self, review: HoldReview) -> SafeString:
        return badges.ago(review.escalated_at)

    @admin.display(description=pgettext_lazy("review", "decision"))
    def decision(self, review: HoldReview) -> SafeString:
        if review.decided_at is None:
            return badges.NOTHING
        who = review.decided_by.get_username() if review.decided_by else _("the order ended by itself")
        return format_html("{} · {}", who, badges.ago(review.decided_at))

    @admin.display(description=pgettext_lazy("review", "reason"))
    def why_so(self, review: HoldReview) -> str:
        return review.reason or "–"


def _is_late(review: HoldReview) -> bool:
    return review.is_open and review.opened_at < timezone.now() - timedelta(hours=settings.HOLD_REVIEW_HOURS)
