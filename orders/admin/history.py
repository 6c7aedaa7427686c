"""Read-only admin pages for auditors: history lines, seals, and accesses to phone numbers."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import CharField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders.labels import ACTORS, TRIGGERS
from orders.models import ApiClient, HistorySeal, OrderEvent, OrderStatus, PhoneLook
from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin, column, order_number


@admin.register(OrderEvent)
class OrderEventAdmin(ShapeSearchMixin, ReadOnlyAdmin):
    order_link = columns.order()
    list_display = ("order_link", "position", "kind", "change", "cause", "actor", "happened", "short_hash")
    list_filter = ("kind",)
    list_select_related = ("order",)
    search_fields = ("order__number",)
    search_help_text = _("Order number")
    shapes = (order_number(),)
    position = columns.plain("seq", _("line"))
    text_hash = columns.plain("text_digest", _("hash of the text"))
    edition = columns.plain("version", _("form"))
    hash_before = columns.plain("prev_hash", _("hash before"))
    fields = (
        "order_link", "position", "kind", "change", "cause", "actor", "evidence",
        "text_hash", "at", "recorded_at", "edition", "hash_before", "hash",
    )  # fmt: skip
    readonly_fields = (
        "order_link",
        "position",
        "change",
        "cause",
        "actor",
        "text_hash",
        "edition",
        "hash_before",
    )

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
        name = getattr(line, "client_name", None) if line.actor_kind == "client" else None
        return f"{ACTORS.get(line.actor_kind, line.actor_kind)} {name or line.actor_id}".strip()

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrderEvent]:
        """Histories keep a client's id as text: its name comes along, without a query for each line."""
        clients = ApiClient.objects.annotate(key=Cast("pk", CharField())).filter(key=OuterRef("actor_id"))
        lines: QuerySet[OrderEvent] = super().get_queryset(request)
        return lines.annotate(client_name=Subquery(clients.values("name")[:1]))

    @admin.display(description=_("trigger"))
    def cause(self, line: OrderEvent) -> str:
        return str(TRIGGERS.get(line.trigger, line.trigger))

    @admin.display(description=_("time"))
    def happened(self, line: OrderEvent) -> SafeString:
        return badges.ago(line.at)

    @admin.display(description=_("hash"))
    def short_hash(self, line: OrderEvent) -> str:
        return line.hash[:12]


@admin.register(HistorySeal)
class HistorySealAdmin(ReadOnlyAdmin):
    first = columns.plain("first_id", _("first line"))
    last = columns.plain("last_id", _("last line"))
    count = columns.plain("lines", _("lines"))
    over = columns.plain("digest", _("digest"))
    mac_before = columns.plain("prev_mac", _("seal before"))
    seal = columns.plain("mac", _("seal"))
    key = columns.plain("key_id", _("key"))
    list_display = ("first", "last", "count", "key", "sealed")
    fields = ("first", "last", "count", "over", "mac_before", "seal", "key", "sealed")
    readonly_fields = fields

    @admin.display(description=_("sealed at"))
    def sealed(self, seal: HistorySeal) -> SafeString:
        return badges.ago(seal.sealed_at)


@admin.register(PhoneLook)
class PhoneLookAdmin(ShapeSearchMixin, ReadOnlyAdmin):
    """Log of accesses to buyers' phone numbers. The number itself is not stored here."""

    who = columns.plain("username", _("user"))
    list_display = ("who", "how", "order_link", "looked")
    search_fields = ("username",)
    search_help_text = _("User name")
    shapes = (column(r"[\w.@+-]{1,150}", "username"),)
    fields = list_display
    readonly_fields = fields

    @admin.display(description=_("order"))
    def order_link(self, look: PhoneLook) -> SafeString:
        if look.order_id is None:
            return badges.NOTHING
        return badges.link(f"#{look.order_id}", "admin:orders_order_change", look.order_id)

    @admin.display(description=pgettext_lazy("phone", "by"))
    def how(self, look: PhoneLook) -> str | Promise:
        """Show whether the page was opened or the number searched; equal fingerprints are equal numbers."""
        return _("search %(number)s") % {"number": look.searched} if look.searched else _("order page")

    @admin.display(description=_("looked at"))
    def looked(self, look: PhoneLook) -> SafeString:
        return badges.ago(look.looked_at)
