"""Pages of warehouses."""

from __future__ import annotations

from django.contrib import admin

from logistics.models import Warehouse
from ordersite.lib.adminkit.read_only import DeskAdmin


@admin.register(Warehouse)
class WarehouseAdmin(DeskAdmin):
    list_display = ("name", "slug", "merchant", "is_active")
    list_filter = ("merchant", "is_active")
    list_select_related = ("merchant",)

    def get_readonly_fields(self, request: object, obj: Warehouse | None = None) -> tuple[str, ...]:
        """Merchant and slug are set once: confirmations name a warehouse by them."""
        return ("merchant", "slug") if obj else ()
