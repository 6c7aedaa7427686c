"""Show a stored webhook call: form fields as a table, JSON indented, secrets and personal data masked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ordersite.lib import masking
from ordersite.lib.adminkit import badges

_SECRET_HEADERS = ("authorization", "cookie", "x-api-key", "proxy-authorization")
# Signatures are shortened: the beginning is enough to compare two calls.
_LONG = frozenset(("sign", "signature", "signpubkeycert", "ciphertext"))
# Fields that identify the buyer at the provider, or what the buyer paid with.
_PERSONAL = (
    "openid",
    "open_id",
    "buyer_id",
    "buyer_user_id",
    "logon_id",
    "accno",
    "customerinfo",
    "payerinfo",
    "phone",
)
_MOST_FIELDS = 200


def masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers with credentials hidden and signatures shortened."""
    shown = {}
    for name, value in headers.items():
        text = str(value)
        if name.lower() in _SECRET_HEADERS:
            text = "••••••"
        elif "signature" in name.lower():
            text = masking.shorten_secret(text, keep=16)
        shown[name] = masking.mask_phones(text)
    return shown


def masked_value(name: str, value: str) -> str:
    """Return a field's value with personal data masked."""
    low = name.lower()
    if low in _LONG:
        return masking.shorten_secret(value, keep=8)
    if any(low.endswith(word) for word in _PERSONAL):
        return masking.mask_phone(value)
    return masking.mask_phones(value)


def masked_json(value: Any, name: str = "") -> Any:
    """Return a JSON value with the personal data in it masked."""
    if isinstance(value, dict):
        return {key: masked_json(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [masked_json(item, name) for item in value]
    return masked_value(name, value) if isinstance(value, str) else value


def shown_body(body: bytes, content_type: str) -> SafeString:
    """Render the body as JSON or form fields, else as text with \\x.. for bytes that are not UTF-8."""
    if not body:
        return badges.NOTHING
    if text := _indented(body):
        return preformatted(text)
    if fields := _fields(body, content_type):
        return _table(fields)
    return preformatted(masking.mask_phones(body.decode("utf-8", errors="backslashreplace")))


def _indented(body: bytes) -> str:
    """Return indented JSON; "" for anything else, or when it is nested too deeply to parse."""
    try:
        found = json.loads(body)
        is_nested = isinstance(found, dict | list)
        return json.dumps(masked_json(found), ensure_ascii=False, indent=2) if is_nested else ""
    except (ValueError, RecursionError):
        return ""


def _fields(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """Return the form's pairs in order, repeated ones included; [] when the body is not a form."""
    is_gbk = any(
        word in (body[:4000] + content_type.encode()).lower() for word in (b"charset=gb", b"encoding=gb")
    )
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=True, encoding="gb18030" if is_gbk else "utf-8",
            errors="backslashreplace", max_num_fields=_MOST_FIELDS,
        )  # fmt: skip
    except ValueError:
        return []
    return pairs


def _table(fields: Iterable[tuple[str, str]]) -> SafeString:
    rows = format_html_join(
        "", "<tr><th>{}</th><td>{}</td></tr>", ((name, masked_value(name, value)) for name, value in fields)
    )
    return format_html('<table class="os-raw os-fields"><tbody>{}</tbody></table>', rows)


def preformatted(text: str) -> SafeString:
    """Render a text as it is."""
    return format_html('<pre class="os-raw">{}</pre>', text)
