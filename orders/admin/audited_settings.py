"""The back-office page of a table of settings that staff edits: whose they are is set once, each change is audited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.db import models, transaction
from django.http import HttpRequest

from ordersite.lib.adminkit.confirmed import person
from ordersite.lib.adminkit.read_only import DeskAdmin
from ordersite.queue import audit


class AuditedSettingsAdmin(DeskAdmin):
    """`set_once` are the fields that say whose a row is, `settings` those whose changes are audited."""

    set_once: Sequence[str] = ()
    settings: Sequence[str] = ()
    list_select_related: Sequence[str] = ("merchant",)

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[str]:
        return [*self.set_once, *self.settings]

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Sequence[str]:
        return self.set_once if obj else ()

    def save_model(
        self, request: HttpRequest, obj: models.Model, form: forms.ModelForm[Any], change: bool
    ) -> None:
        """Save the row and write what changed into the audit, in one transaction."""
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            changes = [
                audit.AuditedChange(
                    obj._meta.db_table,
                    obj.pk,
                    name,
                    _shown(form.initial.get(name)) if change else "",
                    _shown(getattr(obj, name)),
                )
                for name in form.changed_data
                if name in self.settings
            ]
            audit.record(changes, actor=f"staff: {person(request).get_username()}")


def _shown(value: object) -> str:
    return "" if value is None else str(value)
