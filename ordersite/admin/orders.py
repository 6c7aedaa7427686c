"""Admin pages of orders: the list, the search and the order page."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from logistics.bulk import found, operations
from orders import phone_search
from orders.models import Order, OrderStatus, PhoneLook
from orders.truth.facts import TruthLine
from orders.truth.sentence import truths_of
from ordersite.admin import order_page
from ordersite.admin.order_actions import ACTIONS, LEADS
from ordersite.admin.order_filters import BuyerFilter, ClientAddressFilter, OrderMinutesFilter, TagFilter
from ordersite.admin.order_labels import STATUS_TONES, own_buttons, tag_badge
from ordersite.automation.tags import joined_tags, split_tags
from ordersite.bulk_jobs.desk import BulkAction, BulkActionsMixin
from ordersite.diagnosis.search import diagnose_without_order
from ordersite.lib import masking
from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.confirmed import ConfirmedActionsMixin, person
from ordersite.lib.adminkit.read_only import OwnPage, ReadOnlyAdmin
from ordersite.lib.errors import DomainError
from ordersite.order_bulk.operations import CLOSE_ORDERS, HOLD_ORDERS, RELEASE_ORDERS

PHONE = "orders.view_buyer_phone"
MONEY = "payments.view_paymentnotification"


class CreatedFilter(admin.SimpleListFilter):
    """Filter by day of creation, through the indexed order number, which begins with the day in the shop's zone."""

    title = pgettext_lazy("order", "created at")
    parameter_name = "day"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("today", _("today")),
            ("yesterday", _("yesterday")),
            ("week", _("last 7 days")),
            ("month", _("this month")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        today = timezone.localdate()
        starts = self._starts(today).get(self.value() or "", [])
        chosen = Q()
        for start in starts:
            chosen |= Q(number__startswith=start)
        return queryset.filter(chosen)

    @staticmethod
    def _starts(today: date) -> dict[str, list[str]]:
        days = [f"{today - timedelta(days=back):%Y%m%d}" for back in range(7)]
        return {"today": days[:1], "yesterday": days[1:2], "week": days, "month": [f"{today:%Y%m}"]}


def _mark_tone(line: TruthLine) -> str:
    """The colour of a mark; that of a state is on its own badge."""
    return line.tone if line.tone in ("bad", "waiting") else "plain"


@admin.register(Order)
class OrderAdmin(OwnPage, BulkActionsMixin, ConfirmedActionsMixin, ReadOnlyAdmin):
    list_display = ("number_and_marks", "state", "total", "buyer_masked", "phone", "shop", "created")
    list_display_links = None
    list_filter = (
        "status", "held", CreatedFilter, "merchant", TagFilter, OrderMinutesFilter, BuyerFilter, ClientAddressFilter,
    )  # fmt: skip
    list_select_related = ("merchant",)
    search_fields = ("number",)
    search_help_text = _(
        "Order number or its last eight characters, merchant reference, provider's reference, waybill number or phone"
    )
    confirmed = ACTIONS
    leads = LEADS
    bulk_actions = (
        BulkAction(operations.PRINT_LABELS, found.waybills_of_orders),
        BulkAction(operations.ROUTE_AGAIN, found.orders_chosen),
        BulkAction(HOLD_ORDERS, found.orders_chosen),
        BulkAction(RELEASE_ORDERS, found.orders_chosen),
        BulkAction(CLOSE_ORDERS, found.orders_chosen),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("find/", view(self.find_view), name="orders_order_find"),
            path("<int:object_id>/phone/", view(self.phone_view), name="orders_order_phone"),
            *super().get_urls(),
        ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Model], search_term: str
    ) -> tuple[QuerySet[Model], bool]:
        term = search_term.strip().replace("\x00", "")
        return (queryset.filter(pk__in=self._find(request, term)) if term else queryset), False

    def find_view(self, request: HttpRequest) -> HttpResponse:
        """Search from any page: redirect to the order if there is exactly one, else to the list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        term = request.GET.get("q", "").strip().replace("\x00", "")[:100]
        try:
            found = order_page.find(term, request.user) if term else []
        except DomainError:  # the list says why
            found = []
        if len(found) == 1:
            return HttpResponseRedirect(reverse("admin:orders_order_change", args=[found[0]]))
        return HttpResponseRedirect(f"{reverse('admin:orders_order_changelist')}?{urlencode({'q': term})}")

    def _find(self, request: HttpRequest, term: str) -> list[int]:
        """Find orders; say why a search by phone finds nothing where the person may not see phones."""
        try:
            found = order_page.find(term, request.user)
        except DomainError as refused:
            messages.error(request, refused.message)
            return []
        if not found and phone_search.is_part_of_phone(term, request.user):
            messages.warning(
                request, _("Without the right to see phones you search by all digits of a phone.")
            )
        elif not found and request.user.has_perm(MONEY) and (money := diagnose_without_order(term)):
            messages.warning(request, f"{money.text} {money.advice}")
        return found

    def own_page(self, request: HttpRequest, row: Order) -> HttpResponse:
        return self._page(request, row, phone=masking.mask_phone(row.buyer_phone))

    def phone_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Show the whole phone number once, after the access was recorded."""
        if not (self.has_view_permission(request) and request.user.has_perm(PHONE)):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        order = self.row_or_404(request, str(object_id))
        who = person(request)
        PhoneLook.objects.create(user_id=who.pk, username=who.get_username(), order_id=order.pk)
        return self._page(request, order, phone=order.buyer_phone)

    def _page(self, request: HttpRequest, order: Order, *, phone: str) -> TemplateResponse:
        composed = order_page.compose(request, order)
        context = {
            **self.admin_site.each_context(request),
            **composed,
            "title": order.number,
            "opts": self.opts,
            "phone": phone,
            "may_see_phone": request.user.has_perm(PHONE) and phone != order.buyer_phone,
            "confirmed_actions": [
                *composed["answers"],
                *own_buttons(self.buttons(request, order), composed["answers"], composed["truth"]),
            ],
        }
        return TemplateResponse(request, "admin/desk/order.html", context)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(tag_names=joined_tags())

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list with what is true of its orders: one set of queries for the whole page."""
        changelist = super().get_changelist_instance(request)
        shown = list(changelist.result_list)
        truths = truths_of(shown)
        for order in shown:
            order.truth = truths[order.pk]
        changelist.result_list = shown
        return changelist

    @admin.display(description=_("order number"))
    def number_and_marks(self, order: Any) -> SafeString:
        held = badges.badge(_("held"), tone="bad") if order.held else ""
        marks = [badges.badge(line.mark, tone=_mark_tone(line)) for line in order.truth.marks[:2]]
        star = badges.badge(_("important"), tone="waiting") if order.is_important else ""
        link = badges.link(order.number, "admin:orders_order_change", order.pk)
        tags = [tag_badge(name) for name in split_tags(order.tag_names)]
        return format_html_join(" ", "{}", [(mark,) for mark in (link, held, *marks, star, *tags) if mark])

    @admin.display(description=_("status"))
    def state(self, order: Order) -> SafeString:
        return badges.badge(OrderStatus(order.status).label, tone=STATUS_TONES[order.status])

    @admin.display(description=_("total"))
    def total(self, order: Order) -> SafeString:
        return badges.money(order.total_amount)

    @admin.display(description=_("buyer"))
    def buyer_masked(self, order: Order) -> str:
        return masking.mask_name(order.buyer_name)

    @admin.display(description=_("phone"))
    def phone(self, order: Order) -> str:
        return masking.mask_phone(order.buyer_phone)

    @admin.display(description=_("merchant"))
    def shop(self, order: Order) -> str:
        return order.merchant.name

    @admin.display(description=pgettext_lazy("order", "created at"))
    def created(self, order: Order) -> SafeString:
        return badges.ago(order.created_at)
