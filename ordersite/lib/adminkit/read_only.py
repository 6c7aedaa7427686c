"""The base of read-only admin pages: no form adds, edits or deletes a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from django.contrib.admin import ShowFacets, display
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from unfold.admin import ModelAdmin, TabularInline
from unfold.views import ChangeList

from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.paginator import BothEndsPaginator
from ordersite.lib.money import MoneyField


class DeskChangeList(ChangeList):
    """Leaves the count to the bottom of the list, which also says whether it is exact."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count
        if not self.multi_page and isinstance(self.paginator, BothEndsPaginator):
            self.result_list = self.paginator.first_rows


class DeskAdmin(ModelAdmin):
    """The base of every list: capped counts, no sorting by columns without an index, no lookup that is not a filter."""

    paginator = BothEndsPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # a count for each choice of each filter, over the whole table
    list_per_page = 50
    list_max_show_all = 0
    list_fullwidth = True
    ordering: Sequence[str] = ("-id",)
    sortable_by: Sequence[str] = ()
    list_filter_sheet = True
    list_disable_select_all = True
    actions: Sequence[Any] = ()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow only the filters of the list: `?phone__regex=` and the like would read the whole table.

        Refuses values that the database does not take.
        """
        return lookup in self._lookups(request) and "\0" not in value

    def _lookups(self, request: HttpRequest) -> set[str]:
        filters = self.get_list_filter(request)
        columns = [name for name in filters if isinstance(name, str)]
        own = {item.parameter_name for item in filters if hasattr(item, "parameter_name")}
        return own | {
            f"{name}{ending}" for name in columns for ending in ("", "__exact", "__id__exact", "__isnull")
        }

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Never: rows of the back office are kept."""
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return DeskChangeList

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {
            name: found for name, found in super().get_actions(request).items() if name != "delete_selected"
        }


def _shown(model: type[models.Model], names: Sequence[Any]) -> list[Any]:
    """The fields of a page, with a yuan sign before every sum: Django would show it as a bare number."""
    money = {field.name: field for field in model._meta.get_fields() if isinstance(field, MoneyField)}
    return [_sum_of(money[name]) if name in money else name for name in names]


@cache
def _sum_of(field: MoneyField) -> Callable[[models.Model], Any]:
    @display(description=field.verbose_name)
    def show(row: models.Model) -> Any:
        return badges.money(getattr(row, field.name, None))

    show.__name__ = field.name
    return show


class ReadOnlyAdmin(DeskAdmin):
    """Shows rows to those with the view permission; state changes only through confirmed actions, never a form."""

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[Any]:
        return _shown(self.model, super().get_fields(request, obj))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Check the view permission alone: the change permission must not open a page."""
        return bool(request.user.has_perm(f"{self.opts.app_label}.view_{self.opts.model_name}"))


class OwnPage:
    """Makes a model's change page a page of our own, which takes no POST. Beside `ReadOnlyAdmin`, which it goes before."""

    def own_page(self, request: HttpRequest, row: Any) -> HttpResponse:
        """Render the page of a row that this person may see."""
        raise NotImplementedError

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_view_permission(request):  # type: ignore[attr-defined]  # the admin class beside this mixin has it
            raise PermissionDenied
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        return self.own_page(request, self.row_or_404(request, object_id))

    def row_or_404(self, request: HttpRequest, object_id: str) -> Any:
        row = self.get_object(request, object_id)  # type: ignore[attr-defined]  # as above
        if row is None:
            raise Http404
        return row


class ReadOnlyInline(TabularInline):
    """A read-only inline."""

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[Any]:
        return _shown(self.model, super().get_fields(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[Any]:
        own = super().get_readonly_fields(request, obj)
        return [*own, *(one for one in self.get_fields(request, obj) if callable(one))]

    extra = 0
    max_num = 0
    can_delete = False
    hide_title = True  # the columns say it

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False
