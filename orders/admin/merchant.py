"""Pages of merchants and their members."""

from __future__ import annotations

from django.contrib import admin
from unfold.admin import TabularInline

from orders.models import Merchant, MerchantMember
from ordersite.lib.adminkit.read_only import DeskAdmin


class MemberInline(TabularInline):
    model = MerchantMember
    extra = 0
    autocomplete_fields = ("user",)


@admin.register(Merchant)
class MerchantAdmin(DeskAdmin):
    """The slug stands in URLs and file names, so it is set once."""

    list_display = ("name", "slug", "payment_timeout_minutes", "is_active", "created_at")
    list_filter = ("is_active",)
    inlines = (MemberInline,)

    def get_readonly_fields(self, request: object, obj: Merchant | None = None) -> tuple[str, ...]:
        return ("slug",) if obj else ()
