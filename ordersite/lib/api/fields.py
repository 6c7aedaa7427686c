"""Strict serializer fields: each takes one form of a value and describes it in the OpenAPI schema.

DRF's own fields are lenient: numbers pass for text, "yes" for true, unknown keys are ignored. That hides mistakes of
callers, which are expensive where money is concerned.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

from ordersite.lib.money import format_amount, parse_amount

# No control characters, something besides blanks. Written so that Python and ECMA-262 read it alike.
TEXT_PATTERN = r"^[^\u0000-\u001f\u007f]*[^\u0000-\u0020\u007f\u0085\u00a0][^\u0000-\u001f\u007f]*$"
AMOUNT_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,2})?$"
# The same, and several lines.
WORDS_PATTERN = TEXT_PATTERN.replace(r"\u0000-\u001f\u007f", r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f")


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses keys that it does not know, by name."""

    def run_validation(self, data: Any = empty) -> Any:
        if isinstance(data, Mapping) and (unknown := [key for key in data if key not in self.fields]):
            raise serializers.ValidationError(
                {str(key)[:100]: [_("There is no such key.")] for key in unknown}
            )
        return super().run_validation(data)


class Text(serializers.CharField):
    """A JSON string without control characters; a required one says something."""

    pattern = TEXT_PATTERN

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if data and not re.fullmatch(self.pattern[1:-1], data):
            raise serializers.ValidationError(_("Control characters, NUL or nothing but blanks."))
        return str(super().to_internal_value(data))


class Words(Text):
    """A text of several lines."""

    pattern = WORDS_PATTERN


class Whole(serializers.IntegerField):
    """A JSON integer."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class Flag(serializers.BooleanField):
    """true or false."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Choice(serializers.ChoiceField):
    """One of the named strings."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return str(super().to_internal_value(data))


@extend_schema_field({"type": "string", "pattern": AMOUNT_PATTERN})
class Amount(serializers.Field[Decimal, str, str, Any]):
    """Yuan as a string with at most two decimals, not negative; a JSON number is refused."""

    def to_internal_value(self, data: Any) -> Decimal:
        try:
            amount = parse_amount(data)
        except (TypeError, ValueError) as error:
            raise serializers.ValidationError(
                _("Give an amount in yuan as a string such as “199.00”.")
            ) from error
        if data.startswith("-"):
            raise serializers.ValidationError(_("An amount here cannot be negative."))
        return amount

    def to_representation(self, value: Decimal) -> str:
        return format_amount(value)


@extend_schema_field({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]})
class Address(serializers.Field[str, str, str, Any]):
    """An IPv4 or IPv6 address."""

    def to_internal_value(self, data: Any) -> str:
        try:
            if isinstance(data, str) and "%" not in data:
                return str(ipaddress.ip_address(data))
        except ValueError:
            pass
        raise serializers.ValidationError(_("Give an IPv4 or IPv6 address."))

    def to_representation(self, value: str) -> str:
        return value
