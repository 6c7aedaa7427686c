"""How much money a role may move. Set by operations, who move none; nobody sets the limits of a role of their own."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import ForeignKey, Model
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from orders.models import MoneyLimit
from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.read_only import DeskAdmin


class RoleField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return gettext(obj.name)


@admin.register(MoneyLimit)
class MoneyLimitAdmin(DeskAdmin):
    """Django's own log keeps each change with the name of who made it."""

    list_display = ("role_name", "action", "sum")
    list_filter = ("action",)
    list_select_related = ("role",)
    ordering = ("action", "role_id")
    fields = ("role", "action", "amount")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and not _is_own(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Without a row the permission alone decides; that, too, is set by somebody else."""
        return bool(request.user.has_perm("payments.delete_moneylimit")) and not _is_own(request, obj)

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest | None = None, **kwargs: Any
    ) -> Any:
        if db_field.name == "role" and request is not None:
            return RoleField(_roles(request), label=_("role"), widget=UnfoldAdminSelectWidget)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description=_("role"))
    def role_name(self, limit: MoneyLimit) -> str:
        return gettext(limit.role.name)

    @admin.display(description=_("up to"))
    def sum(self, limit: MoneyLimit) -> SafeString:
        return badges.money(limit.amount)


def _roles(request: HttpRequest) -> Any:
    """The roles whose limits this person may set: not their own, unless they may do everything anyway."""
    roles = Group.objects.order_by("id")
    return roles if request.user.is_superuser else roles.exclude(pk__in=_own(request))


def _own(request: HttpRequest) -> list[int]:
    return list(request.user.groups.values_list("pk", flat=True))


def _is_own(request: HttpRequest, limit: Model | None) -> bool:
    if request.user.is_superuser or not isinstance(limit, MoneyLimit):
        return False
    return limit.role_id in _own(request)
