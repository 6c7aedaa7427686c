"""Form fields of the back office."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)


class KeysField(forms.CharField):
    """Takes a flat JSON object of settings and secrets. Its value is never rendered."""

    widget = UnfoldAdminTextareaWidget

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", WriteOnlyTextarea(attrs={"rows": 10, "spellcheck": "false"}))
        super().__init__(max_length=60_000, **kwargs)

    def clean(self, value: Any) -> dict[str, Any]:
        text = super().clean(value)
        try:
            keys = json.loads(text)
        except (ValueError, RecursionError):
            keys = None
        if not isinstance(keys, dict):
            raise ValidationError(_("Give a JSON object with the keys of the account file."))
        return keys


class WriteOnlyTextarea(UnfoldAdminTextareaWidget):
    """Never renders its value, not even after an error: it holds secrets. The browser keeps none either."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"data-secret": "", "autocomplete": "off", **(attrs or {})})

    def format_value(self, value: Any) -> str:
        return ""


def text_input() -> forms.TextInput:
    return UnfoldAdminTextInputWidget()


def number_input() -> forms.NumberInput:
    return UnfoldAdminIntegerFieldWidget()


def select() -> forms.Select:
    return UnfoldAdminSelectWidget()
