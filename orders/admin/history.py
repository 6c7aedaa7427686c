"""History lines, seals and looks at phone numbers: to be read, by those who audit."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from orders.models import HistorySeal, OrderEvent, OrderStatus, PhoneLook
from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin, column

# An order number or its beginning with the day; the number is looked up, the history by the order's key.
NUMBER = r"[0-9]{8}-[0-9A-Z]{4}-[0-9A-Z]{4}"


@admin.register(OrderEvent)
class OrderEventAdmin(ShapeSearchMixin, ReadOnlyAdmin):
    list_display = ("order_link", "seq", "kind", "change", "trigger", "actor", "happened", "short_hash")
    list_filter = ("kind",)
    list_select_related = ("order",)
    search_fields = ("order__number",)
    search_help_text = _("Order number")
    shapes = (column(NUMBER, "order__number"),)
    fields = (
        "order", "seq", "kind", "from_status", "to_status", "trigger", "actor_kind", "actor_id", "evidence",
        "text_digest", "at", "recorded_at", "version", "prev_hash", "hash",
    )  # fmt: skip

    @admin.display(description=_("order"))
    def order_link(self, line: OrderEvent) -> SafeString:
        return badges.link(line.order.number, "admin:orders_order_change", line.order_id)

    @admin.display(description=_("change"))
    def change(self, line: OrderEvent) -> SafeString:
        labels = dict(OrderStatus.choices)
        if not line.to_status:
            return badges.NOTHING
        before = labels.get(line.from_status, "")
        return badges.badge(
            f"{before} → {labels.get(line.to_status, line.to_status)}" if before else labels[line.to_status]
        )

    @admin.display(description=_("actor"))
    def actor(self, line: OrderEvent) -> str:
        return f"{line.actor_kind} {line.actor_id}".strip()

    @admin.display(description=_("time"))
    def happened(self, line: OrderEvent) -> SafeString:
        return badges.ago(line.at)

    @admin.display(description=_("hash"))
    def short_hash(self, line: OrderEvent) -> str:
        return line.hash[:12]


@admin.register(HistorySeal)
class HistorySealAdmin(ReadOnlyAdmin):
    list_display = ("first_id", "last_id", "lines", "key_id", "sealed")
    fields = ("first_id", "last_id", "lines", "digest", "prev_mac", "mac", "key_id", "sealed_at")

    @admin.display(description=_("sealed at"))
    def sealed(self, seal: HistorySeal) -> SafeString:
        return badges.ago(seal.sealed_at)


@admin.register(PhoneLook)
class PhoneLookAdmin(ShapeSearchMixin, ReadOnlyAdmin):
    """Who looked at whose number; the number itself is not in it."""

    list_display = ("username", "order_link", "looked")
    search_fields = ("username",)
    search_help_text = _("User name")
    shapes = (column(r"[\w.@+-]{1,150}", "username"),)
    fields = ("username", "order_id", "looked_at")

    @admin.display(description=_("order"))
    def order_link(self, look: PhoneLook) -> SafeString:
        return badges.link(f"#{look.order_id}", "admin:orders_order_change", look.order_id)

    @admin.display(description=_("looked at"))
    def looked(self, look: PhoneLook) -> SafeString:
        return badges.ago(look.looked_at)
