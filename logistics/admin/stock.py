"""Pages of stock: what is on hand, reserved and free of each product in each warehouse, and what moved it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from logistics.admin.dispatch import WarehouseFilter
from logistics.models import Stock, StockMovement
from logistics.stock.correct import MOST_ON_HAND, correct
from ordersite.lib.adminkit import badges, columns, fields
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ReasonForm, person
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin, column, row_number

MOST_SHOWN = 20
# A product's name in a shop's own system: whatever it is, it is looked up exactly.
PRODUCT = r"[^\x00]{1,64}"


class CountForm(ReasonForm):
    """What is really on the shelf, and why it differs; `seen` is what stood there when the form was opened."""

    on_hand = forms.IntegerField(
        label=_("on hand"), min_value=0, max_value=MOST_ON_HAND, widget=fields.number_input()
    )
    seen = forms.IntegerField(required=False, widget=forms.HiddenInput())
    field_order = ("on_hand", "reason", "seen")


def _present(row: Stock) -> Mapping[str, Any]:
    return {"on_hand": row.on_hand, "seen": row.on_hand}


def _correct(request: HttpRequest, row: Stock, data: Mapping[str, Any]) -> Promise:
    correct(row.pk, on_hand=data["on_hand"], expected=data["seen"], by=person(request), reason=data["reason"])
    return _("Corrected. Orders that waited for the product are routed within seconds.")


class LevelFilter(admin.SimpleListFilter):
    """Filter by what nothing is free of, less than none included."""

    title = _("free")
    parameter_name = "level"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("none", _("nothing free"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(on_hand__lte=F("reserved")) if self.value() == "none" else queryset


@admin.register(Stock)
class StockAdmin(ConfirmedActionsMixin, ShapeSearchMixin, ReadOnlyAdmin):
    list_display = ("product", "place", "on_shelf", "promised", "free", "counted")
    list_display_links = ("product",)
    list_filter = (LevelFilter, WarehouseFilter)
    list_select_related = ("warehouse", "warehouse__merchant")
    search_fields = ("product_id",)
    search_help_text = _("The whole product number: its levels in all warehouses")
    empty_text = _(
        "No warehouse has reported stock yet. What is not counted is always available, and gets a row once it is reserved."
    )
    shapes = (column(PRODUCT, "product_id"),)
    fields = ("product_id", "warehouse", "figures", "counted", "elsewhere", "movements")
    readonly_fields = ("figures", "counted", "elsewhere", "movements")
    counted = columns.plain("counted_at", _("counted at"))
    confirmed = (
        Confirmed(
            "correct",
            _("Correct what is on hand"),
            "logistics.correct_stock",
            _(
                "For a count that the warehouse did not report. Reserved goods are among what is on hand; a figure below "
                "what is reserved opens a case. The warehouse's next report overwrites it."
            ),
            _correct,
            form=CountForm,
            icon="edit",
            initial=_present,
        ),
    )

    def facts_of(self, row: Any) -> SafeString:
        return badges.facts(
            ((_("product"), row.product_id), (_("warehouse"), row.warehouse.name), *_figures(row))
        )

    @admin.display(description=_("product"))
    def product(self, row: Stock) -> str:
        return row.product_id

    @admin.display(description=_("warehouse"))
    def place(self, row: Stock) -> SafeString:
        return format_html("{}<br><small>{}</small>", row.warehouse.name, row.warehouse.merchant.name)

    @admin.display(description=_("on hand"))
    def on_shelf(self, row: Stock) -> SafeString | Promise:
        return _("not counted") if row.on_hand is None else badges.number(row.on_hand)

    @admin.display(description=_("reserved"))
    def promised(self, row: Stock) -> SafeString:
        return badges.number(row.reserved)

    @admin.display(description=_("free"))
    def free(self, row: Stock) -> SafeString:
        if row.available is None:
            return badges.badge(_("always"))
        if row.missing:
            return badges.badge(_("%(count)d missing") % {"count": row.missing}, tone="bad")
        return badges.number(row.available) if row.available else badges.badge("0", tone="waiting")

    @admin.display(description=_("stock"))
    def figures(self, row: Stock) -> SafeString:
        return badges.facts(_figures(row))

    @admin.display(description=_("in other warehouses"))
    def elsewhere(self, row: Stock) -> SafeString:
        """The levels of the same product in the shop's other warehouses."""
        others = (
            Stock.objects.filter(product_id=row.product_id, warehouse__merchant=row.warehouse.merchant_id)
            .exclude(pk=row.pk)
            .select_related("warehouse")
            .order_by("warehouse__name")
        )
        head = (_("warehouse"), _("on hand"), _("reserved"), _("free"))
        page = "admin:logistics_stock_change"
        return _table(
            head,
            [
                (
                    badges.link(one.warehouse.name, page, one.pk),
                    self.on_shelf(one),
                    one.reserved,
                    self.free(one),
                )
                for one in others[:MOST_SHOWN]
            ],
        )

    @admin.display(description=_("movements"))
    def movements(self, row: Stock) -> SafeString:
        """The newest movements, and where all of them are."""
        newest = row.movements.select_related("order").order_by("-pk")[:MOST_SHOWN]
        head = (_("time"), _("movement"), _("change"), _("on hand"), _("reserved"), _("for"))
        table = _table(head, [_movement(one) for one in newest])
        address = reverse("admin:logistics_stockmovement_changelist")
        more = format_html(
            '<p><a class="os-link" href="{}?shelf={}">{}</a></p>', address, row.pk, _("All movements")
        )
        return format_html("{}{}", table, more)


def _figures(row: Stock) -> Iterator[tuple[Promise, object]]:
    yield _("on hand"), _("not counted") if row.on_hand is None else f"{row.on_hand:,}"
    yield _("reserved"), f"{row.reserved:,}"
    yield _("free"), _("always") if row.available is None else f"{row.available:,}"


def _movement(one: StockMovement) -> tuple[object, ...]:
    return (
        badges.ago(one.at),
        one.get_kind_display(),
        f"{one.quantity:+,}",
        badges.NOTHING if one.on_hand is None else f"{one.on_hand:,}",
        f"{one.reserved:,}",
        _cause(one),
    )


def _cause(one: StockMovement) -> SafeString | str:
    """The order that it was for, or the person who corrected the figure and why."""
    if one.order is not None:
        return badges.link(one.order.number, "admin:orders_order_change", one.order_id)
    return " · ".join(filter(None, (one.actor, one.reason))) or badges.NOTHING


def _table(head: tuple[Promise, ...], rows: list[tuple[object, ...]]) -> SafeString:
    if not rows:
        return badges.NOTHING
    heads = format_html_join("", "<th>{}</th>", ((name,) for name in head))
    body = format_html_join("", "<tr>{}</tr>", ((_cells(head, row),) for row in rows))
    return format_html(
        '<table class="os-table os-cards"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>', heads, body
    )


def _cells(head: tuple[Promise, ...], row: tuple[object, ...]) -> SafeString:
    """Cells that carry their names: on a phone the row is a card."""
    return format_html_join("", '<td data-label="{}">{}</td>', zip(head, row, strict=True))


class ShelfFilter(admin.SimpleListFilter):
    """The movements of one product in one warehouse, whose page leads here."""

    title = _("product")
    parameter_name = "shelf"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        wanted = row_number(request.GET.get("shelf", ""))
        rows = Stock.objects.filter(pk=wanted).select_related("warehouse") if wanted else ()
        return [(str(row.pk), f"{row.product_id} · {row.warehouse.name}") for row in rows]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(stock_id=int(self.value())) if self.value() else queryset  # type: ignore[arg-type]


@admin.register(StockMovement)
class StockMovementAdmin(ShapeSearchMixin, ReadOnlyAdmin):
    list_display = ("at", "product", "place", "kind", "change", "after", "cause")
    list_display_links = ("at",)
    list_filter = (ShelfFilter,)
    list_select_related = ("stock", "stock__warehouse", "order")
    search_fields = ("stock__product_id",)
    search_help_text = _("The whole product number")
    empty_text = _("Nothing has been reserved, sent or counted yet.")
    shapes = (column(PRODUCT, "stock__product_id"),)
    fields = ("at", "product", "place", "kind", "change", "on_hand", "reserved", "order", "actor", "reason")
    readonly_fields = ("product", "place", "change")

    @admin.display(description=_("product"))
    def product(self, row: StockMovement) -> SafeString:
        return badges.link(row.stock.product_id, "admin:logistics_stock_change", row.stock_id)

    @admin.display(description=_("warehouse"))
    def place(self, row: StockMovement) -> str:
        return row.stock.warehouse.name

    @admin.display(description=_("change"))
    def change(self, row: StockMovement) -> SafeString:
        return format_html('<span class="os-money">{}</span>', f"{row.quantity:+,}")

    @admin.display(description=_("on hand / reserved after it"))
    def after(self, row: StockMovement) -> str:
        return f"{'–' if row.on_hand is None else f'{row.on_hand:,}'} / {row.reserved:,}"

    @admin.display(description=_("for"))
    def cause(self, row: StockMovement) -> SafeString | str:
        return _cause(row)
