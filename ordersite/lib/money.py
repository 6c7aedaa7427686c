"""Exact money: integer fen in the database, `Decimal` yuan with two places in Python, `"199.00"` at the edges."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import partial
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.expressions import Combinable
from django.utils.translation import gettext_lazy as _

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
# Nine digits of yuan is what Alipay takes (total_amount: up to 9 digits and 2 decimals).
LARGEST = Decimal("999999999.99")
_AMOUNT = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,2})?", re.ASCII)


def yuan(fen: int) -> Decimal:
    """Convert integer fen to exact yuan."""
    return Decimal(fen).scaleb(-2)


def fen(amount: Decimal) -> int:
    """Convert exact yuan to integer fen. Raises ValueError for a fraction of a fen and for no finite number."""
    if not amount.is_finite():
        raise ValueError("not a finite amount")
    scaled = amount.scaleb(2)
    if scaled != scaled.to_integral_value():
        raise ValueError("more than two decimals")
    return int(scaled)


def parse_amount(text: str) -> Decimal:
    """Parse yuan such as `"199.00"`. Raises ValueError for any other text (exponents, blanks, signs but a minus)."""
    if not _AMOUNT.fullmatch(text):
        raise ValueError("not an amount in yuan with at most two decimals")
    return Decimal(text).quantize(CENT)


def format_amount(amount: Decimal) -> str:
    """Format yuan with two decimals and no grouping, the form of all interfaces."""
    return f"{amount:.2f}"


def display_amount(amount: Decimal) -> str:
    """Yuan as every page shows it: `¥2,568.00`."""
    return f"¥{amount:,.2f}"


class MoneyField(models.BigIntegerField):
    """Stores integer fen and converts to `Decimal` yuan. Refuses floats."""

    description = "amount of money in fen"
    # For type checkers: an amount is a Decimal on both sides of the attribute.
    _pyi_private_set_type: Decimal | Combinable  # type: ignore[assignment]
    _pyi_private_get_type: Decimal  # type: ignore[assignment]

    def from_db_value(self, value: int | None, *_args: Any) -> Decimal | None:
        return None if value is None else yuan(value)

    def to_python(self, value: Any) -> Decimal | None:
        if value is None or isinstance(value, Decimal):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return Decimal(value).quantize(CENT)
        if isinstance(value, str):
            try:
                return parse_amount(value)
            except ValueError as error:
                raise ValidationError(_("Give an amount in yuan with at most two decimals.")) from error
        raise ValidationError(_("Give an amount in yuan with at most two decimals."))

    def get_prep_value(self, value: Any) -> int | None:
        if hasattr(value, "resolve_expression"):
            return value
        amount = self.to_python(value)
        return None if amount is None else fen(amount)

    def value_to_string(self, obj: models.Model) -> str:
        value: Any = self.value_from_object(obj)
        return "" if value is None else format_amount(value)

    def formfield(self, **kwargs: Any) -> Any:
        kwargs.setdefault("form_class", partial(forms.DecimalField, max_digits=11, decimal_places=2))
        return models.Field.formfield(self, **kwargs)
