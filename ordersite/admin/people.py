"""Admin pages of log-ins and roles, for superusers only."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.http import HttpRequest
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectMultipleWidget

from ordersite.roles import role_label

admin.site.unregister(User)
admin.site.unregister(Group)

# Django stores the names of these four permissions of every model in English.
VERBS = {
    "view": pgettext_lazy("right", "view"),
    "add": pgettext_lazy("right", "add"),
    "change": pgettext_lazy("right", "change"),
    "delete": pgettext_lazy("right", "delete"),
}


def role_name(group: Group) -> str:
    return role_label(group.name)


def permission_name(permission: Permission) -> str:
    """Return a permission's name in the reader's language."""
    verb, _sep, _model = permission.codename.partition("_")
    kind = permission.content_type.model
    is_djangos = verb in VERBS and permission.codename == f"{verb}_{kind}"
    return f"{permission.content_type.name} · {VERBS[verb] if is_djangos else gettext(permission.name)}"


class RoleField(forms.ModelMultipleChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return role_name(obj)


class PermissionField(forms.ModelMultipleChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return permission_name(obj)


class SuperusersOnly:
    """Allows superusers only: a person who may edit log-ins could give themselves every right."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: people are deactivated, since the audit names them."""
        return False


@admin.register(User)
class UserAdmin(SuperusersOnly, BaseUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "first_name", "roles", "is_staff", "is_active", "last_login")
    list_filter = ("is_staff", "is_superuser", "is_active")
    # Rights come from roles alone.
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("person"), {"fields": ("first_name", "last_name", "email")}),
        (_("Roles"), {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        (_("time"), {"fields": ("last_login", "date_joined")}),
    )
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")

    @admin.display(description=_("Roles"))
    def roles(self, user: User) -> str:
        return " · ".join(role_name(group) for group in user.groups.all())

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Show the roles as check boxes with their labels."""
        if db_field.name == "groups":
            return RoleField(
                Group.objects.order_by("id"), label=_("Roles"), required=False,
                widget=UnfoldAdminCheckboxSelectMultipleWidget,
            )  # fmt: skip
        return super().formfield_for_manytomany(db_field, request, **kwargs)


@admin.register(Group)
class GroupAdmin(SuperusersOnly, BaseGroupAdmin, ModelAdmin):
    """Admin of roles. The product sets its six roles after every migrate; further groups are the shop's own."""

    list_display = ("role",)
    filter_horizontal = ()

    @admin.display(description=_("name"))
    def role(self, group: Group) -> str:
        return role_name(group)

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest | None = None, **kwargs: Any
    ) -> Any:
        if db_field.name == "permissions":
            known = Permission.objects.select_related("content_type").order_by("content_type", "id")
            return PermissionField(
                known,
                label=_("Rights"),
                required=False,
                widget=UnfoldAdminSelectMultipleWidget(attrs={"size": 24}),
            )
        return super().formfield_for_manytomany(db_field, request, **kwargs)
