"""Saved mappings: how banks' own files are read. The reading page makes them; here they are looked at and mended."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import TextField
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from ordersite.lib.adminkit import fields
from ordersite.lib.adminkit.read_only import DeskAdmin
from payments.admin.reading.labels import time_choices
from payments.models import StatementMapping

_CHOSEN = frozenset({"encoding", "delimiter", "date_format", "unit", "decimal_mark"})
_RECOGNISED = ("", pgettext_lazy("column", "– recognised from each file –"))


class MappingForm(forms.ModelForm):
    """Times are chosen by an example; words stand one a line."""

    date_format = forms.ChoiceField(
        label=_("form of times"),
        required=False,
        widget=fields.select(),
        help_text=_(
            "How the file writes a quarter past nine in the evening of 28 November 2026, in Beijing time."
        ),
    )

    class Meta:
        model = StatementMapping
        fields = "__all__"  # the admin's fieldsets name them

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen: dict[str, Any] = dict(self.fields)
        chosen["date_format"].choices = time_choices((), self.instance.date_format)
        for name in _CHOSEN & chosen.keys():  # who may only look has none of them
            known = [choice for choice in chosen[name].choices if choice[0] != ""]
            chosen[name].choices = [_RECOGNISED, *known]


@admin.register(StatementMapping)
class StatementMappingAdmin(DeskAdmin):
    """How a bank's file is read. Changing one changes no statement that was read by it."""

    form = MappingForm
    list_display = ("name", "amounts", "time_column", "reference_column", "encoding", "delimiter_name")
    formfield_overrides = {TextField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 3})}}
    fieldsets = (
        (
            None,
            {
                "fields": ("name", "encoding", "delimiter"),
                "description": _("What is blank is recognised from each file."),
            },
        ),
        (
            _("Columns"),
            {
                "fields": (
                    "time_column", "date_format", "amount_column", "amount_in_column", "amount_out_column", "unit",
                    "decimal_mark", "currency", "currency_column", "reference_column", "provider_reference_column",
                    "refund_reference_column", "account_column", "account_value",
                ),
                "description": _("The words of the header line; «-» says that there is no such column."),
            },
        ),
        (
            pgettext_lazy("mapping", "Kind and state"),
            {
                "fields": (
                    "kind_column", "payment_words", "refund_words", "ignored_words", "status_column", "status_words",
                ),
            },
        ),
    )  # fmt: skip

    @admin.display(description=_("delimiter"))
    def delimiter_name(self, mapping: StatementMapping) -> str:
        return mapping.get_delimiter_display()

    @admin.display(description=_("column of the amount"))
    def amounts(self, mapping: StatementMapping) -> str:
        return mapping.amount_column or " / ".join(
            filter(None, (mapping.amount_in_column, mapping.amount_out_column))
        )
