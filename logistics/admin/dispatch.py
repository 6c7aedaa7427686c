"""The board of the dispatch centre: every instruction by state and age, and what a person can do about one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from logistics import labels
from logistics.admin import warehouse_messages
from logistics.dispatch.instructions import board, by_hand
from logistics.models import Dispatch, DispatchLine, DispatchQuerySet, DispatchStatus, Warehouse
from orders.approvals.order_kind import staff
from orders.models import OrderStatus
from ordersite.lib.adminkit import badges, columns, fields
from ordersite.lib.adminkit.confirmed import ActionReply, Confirmed, ConfirmedActionsMixin, ReasonForm, person
from ordersite.lib.adminkit.queues import QueueFilter
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin, ReadOnlyInline
from ordersite.lib.adminkit.search import ShapeSearchMixin, order_number, row_id

OVERDUE = "overdue"


class WarehouseForm(ReasonForm):
    """The warehouse that is to send; `initial` names the merchant whose warehouses are offered."""

    warehouse = forms.ModelChoiceField(Warehouse.objects.none(), label=_("warehouse"), widget=fields.select())
    field_order = ("warehouse", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices: Any = self.fields["warehouse"]
        choices.queryset = (
            Warehouse.objects.filter(merchant_id=self.initial.get("merchant", 0), is_active=True)
            .exclude(adapter=Warehouse.Adapter.NONE)
            .order_by("name")
        )


class AnyWarehouseForm(WarehouseForm):
    """The same, or none: then the rules choose."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice: Any = self.fields["warehouse"]
        choice.required, choice.empty_label = False, _("as the rules choose")


def said_of(made: int) -> Promise | ActionReply:
    """What is told after a routing that made so many instructions."""
    if made:
        return _("Routed: the warehouse has its instruction.")
    return ActionReply(_("No warehouse can send it: see the order's open case."), messages.WARNING)


def _again(request: HttpRequest, row: Dispatch, data: Mapping[str, Any]) -> Promise | ActionReply:
    made = by_hand.route_again(
        row.order_id, dispatch_id=row.pk, actor=staff(person(request)), reason=data["reason"]
    )
    return said_of(made)


def _move(request: HttpRequest, row: Dispatch, data: Mapping[str, Any]) -> str:
    warehouse = data["warehouse"]
    by_hand.send_from(
        warehouse, row.order_id, dispatch_id=row.pk, actor=staff(person(request)), reason=data["reason"]
    )
    return str(_("%(warehouse)s is instructed now.") % {"warehouse": warehouse.name})


def _cancel(request: HttpRequest, row: Dispatch, data: Mapping[str, Any]) -> Promise:
    by_hand.cancel(row.pk, actor=staff(person(request)), reason=data["reason"])
    return _("The instruction is taken back; its goods are free.")


def merchant_of(row: Dispatch) -> Mapping[str, Any]:
    return {"merchant": row.warehouse.merchant_id}


def can_be_moved(row: Dispatch) -> bool:
    """Whether its goods have not left, as far as the instruction says; the door judges the order."""
    order = row.order
    return row.status != DispatchStatus.SHIPPED and order.status == OrderStatus.PAID and not order.is_stopped


class DispatchStateFilter(QueueFilter):
    """Filter by state; without a choice, those that a warehouse still has to do something about."""

    title = _("state")
    opens_with = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("open", _("to do")),
            (OVERDUE, _("overdue")),
            *DispatchStatus.choices,
            ("all", _("all of them")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> DispatchQuerySet:
        if self.chosen == "all":
            return queryset
        if self.chosen == "open":
            return queryset.open()
        if self.chosen == OVERDUE:
            return queryset.overdue(timezone.now())
        found = queryset.filter(status=self.chosen)
        # The second condition is that of the index.
        return (
            found if self.chosen == DispatchStatus.SHIPPED else found.exclude(status=DispatchStatus.SHIPPED)
        )


class WarehouseFilter(admin.SimpleListFilter):
    """Filter by warehouse, named with its shop: many shops call theirs alike."""

    title = _("warehouse")
    parameter_name = "warehouse"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        rows = Warehouse.objects.select_related("merchant").order_by("merchant__name", "name")
        return [(str(row.pk), f"{row.merchant.name} · {row.name}") for row in rows]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value() or ""
        if not value:
            return queryset
        return (
            queryset.filter(warehouse_id=int(value))
            if value in dict(self.lookup_choices)
            else queryset.none()
        )


class DispatchLineInline(ReadOnlyInline):
    model = DispatchLine
    fields = ("product_id", "goods", "quantity", "shipped")
    readonly_fields = ("goods",)
    verbose_name_plural = _("goods to send")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("order_line").order_by("pk")

    @admin.display(description=_("goods to send"))
    def goods(self, line: DispatchLine) -> str:
        return line.order_line.name


@admin.register(Dispatch)
class DispatchAdmin(ConfirmedActionsMixin, ShapeSearchMixin, ReadOnlyAdmin):
    order_link = columns.order()
    list_display = ("name", "place", "state", "age", "order_link", "order_state", "goods")
    list_display_links = ("name",)
    list_filter = (DispatchStateFilter, WarehouseFilter)
    list_select_related = ("order", "warehouse", "warehouse__merchant")
    list_before_template = "admin/logistics/board.html"
    search_fields = ("order__number",)
    search_help_text = _("Order number or #instruction")
    empty_text = _("Nothing waits: no warehouse has an instruction to work on.")
    shapes = (row_id(), order_number())
    inlines = (DispatchLineInline,)
    fields = (
        "order", "order_state", "warehouse", "state", "why", "created_at", "sent_at", "due", "ended_at", "answer",
        "sent",
    )  # fmt: skip
    readonly_fields = ("order_state", "state", "why", "due", "answer", "sent")
    confirmed = (
        Confirmed(
            "again",
            _("Route again"),
            by_hand.MANAGE,
            _(
                "The instruction is taken back, and the rules choose anew; the same warehouse may get it again. Where the "
                "warehouse has accepted it already, ring it up first: it may have packed the goods."
            ),
            _again,
            form=ReasonForm,
            fits=can_be_moved,
            icon="alt_route",
        ),
        Confirmed(
            "move",
            _("Choose another warehouse"),
            by_hand.MANAGE,
            _(
                "The instruction is taken back, and the warehouse that you choose gets the goods to send. Where the first "
                "one has accepted it already, ring it up first: it may have packed the goods."
            ),
            _move,
            form=WarehouseForm,
            fits=can_be_moved,
            icon="warehouse",
            initial=merchant_of,
        ),
        Confirmed(
            "cancel",
            _("Take back"),
            by_hand.MANAGE,
            _(
                "The goods are free again, and nothing is sent before somebody routes the order again. Ring the warehouse "
                "up where it has accepted the instruction already."
            ),
            _cancel,
            form=ReasonForm,
            fits=lambda row: row.is_open,
            tone="bad",
            icon="undo",
        ),
    )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list below the load of each warehouse; a search or a page of old rows needs no load."""
        context = {"loads": board.loads() if self.has_view_permission(request) else []}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("lines__order_line")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Show no messages where the warehouse fetches its instructions."""
        fields = super().get_fields(request, obj)
        is_sent = isinstance(obj, Dispatch) and obj.webhooks.exists()
        return fields if is_sent else [name for name in fields if name != "sent"]

    def facts_of(self, row: Any) -> SafeString:
        return badges.facts(
            (
                (_("order"), row.order.number),
                (_("warehouse"), row.warehouse.name),
                (_("state"), self.state(row)),
                (_("goods to send"), self.goods(row)),
            )
        )

    @admin.display(description=_("instruction"))
    def name(self, row: Dispatch) -> str:
        return f"#{row.pk}"

    @admin.display(description=_("warehouse"))
    def place(self, row: Dispatch) -> SafeString:
        return format_html("{}<br><small>{}</small>", row.warehouse.name, row.warehouse.merchant.name)

    @admin.display(description=_("state"))
    def state(self, row: Dispatch) -> SafeString:
        status = DispatchStatus(row.status)
        shown = badges.badge(status.label, tone=labels.DISPATCH_TONES[status])
        if row.is_overdue(timezone.now()):
            return format_html("{} {}", shown, badges.badge(_("overdue"), tone="bad"))
        return shown

    @admin.display(description=_("age"))
    def age(self, row: Dispatch) -> SafeString:
        return badges.lasting(row.created_at, row.ended_at)

    @admin.display(description=_("the order is"))
    def order_state(self, row: Dispatch) -> SafeString:
        """The order's state, and whatever keeps it from shipping."""
        shown = [badges.badge(OrderStatus(row.order.status).label)]
        if row.order.held:
            shown.append(badges.badge(_("held"), tone="bad"))
        if row.order.is_stopped_by_refund:
            shown.append(badges.badge(_("refund under way"), tone="waiting"))
        return format_html_join(" ", "{}", ((one,) for one in shown))

    @admin.display(description=_("goods to send"))
    def goods(self, row: Dispatch) -> str:
        return labels.goods_of([(line.order_line.name, line) for line in row.lines.all()])

    @admin.display(description=_("why this warehouse"))
    def why(self, row: Dispatch) -> SafeString:
        return _paragraphs(labels.dispatch_reasons(row.reasons))

    @admin.display(description=_("answer due by"))
    def due(self, row: Dispatch) -> SafeString:
        return badges.ago(row.answer_due_at)

    @admin.display(description=_("messages to the warehouse"))
    def sent(self, row: Dispatch) -> SafeString:
        """What the warehouse was sent about it, try by try."""
        return warehouse_messages.tries_of(row)

    @admin.display(description=_("the warehouse's answer"))
    def answer(self, row: Dispatch) -> str:
        return labels.dispatch_answer(row) or "–"


def _paragraphs(texts: Sequence[str]) -> SafeString:
    return format_html_join("", "<p>{}</p>", ((text,) for text in texts)) if texts else badges.NOTHING
