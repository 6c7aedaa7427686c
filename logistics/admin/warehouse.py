"""Warehouses."""

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
        """Confirmations name a warehouse by shop and slug, so both are set once."""
        return ("merchant", "slug") if obj else ()
