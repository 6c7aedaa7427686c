"""Filters of the back-office pages."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ordersite.lib import masking
from ordersite.lib.adminkit import badges

register = template.Library()


@register.filter
def yuan(amount: Decimal | None) -> SafeString:
    return badges.money(amount)


@register.filter
def ago(at: datetime | None) -> SafeString:
    return badges.ago(at)


@register.filter
def badge(text: str, tone: str = "plain") -> SafeString:
    return badges.badge(text, tone=tone)


@register.filter
def masked_phone(phone: str) -> str:
    return masking.mask_phone(phone)


@register.filter
def masked_name(name: str) -> str:
    return masking.mask_name(name)


@register.filter
def commands(text: str) -> SafeString:
    """Mark what stands between backticks as code."""
    parts = (
        (format_html("<code>{}</code>", part) if number % 2 else part,)
        for number, part in enumerate(text.split("`"))
    )
    return format_html_join("", "{}", parts)


@register.simple_tag
def row_url(url_name: str, pk: int | None) -> str:
    """Return the address of a row's page, or ""."""
    return badges.address_of(url_name, pk)
