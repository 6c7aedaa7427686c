"""Parses JSON bodies of the API: bounded, without repeated keys.

Unlike `ordersite.lib.strict_json` it lets NUL and NaN through: no field accepts them, and the field's error names the
field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException, ParseError, ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

LARGEST_BODY = 256 * 1024


class BodyTooLarge(APIException):
    """Answered with 413."""

    status_code = 413
    default_code = "body_too_large"
    default_detail = _("The body is larger than this call allows.")


def body_of(request: Request) -> bytes:
    """Return the raw body. Raises BodyTooLarge before reading any of a body that is too large."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST_BODY:
        raise BodyTooLarge
    return bytes(request._request.body)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValidationError({key[:100]: [_("This key is given twice.")]})
        found[key] = value
    return found


# Decimal, because a float turns 1e999 into infinity and 0.1 into something else; NaN and Infinity suit no field.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=Decimal, parse_constant=lambda _name: Decimal("NaN")
)


def decode(raw: bytes) -> Any:
    """Parse one JSON value in UTF-8. Raises ParseError, or ValidationError for a repeated key."""
    try:
        text = raw.decode("utf-8").strip(" \t\r\n")
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise ParseError(_("The body is no JSON in UTF-8, or is nested too deeply.")) from error
    if end != len(text):
        raise ParseError(_("Something follows after the JSON value."))
    return value


class StrictJSONParser(BaseParser):
    """Parses application/json only. Views call `body_of` first, which limits the size."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        raw = stream.read(LARGEST_BODY + 1)
        if len(raw) > LARGEST_BODY:
            raise BodyTooLarge
        return decode(raw)
