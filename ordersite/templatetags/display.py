"""Template filters for money, states, phones and times."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from orders.labels import HOLD_REASONS
from orders.models import Order
from ordersite.lib import durations, masking
from ordersite.lib.money import display_amount

register = template.Library()
register.filter("time_since", durations.time_since)
register.filter("mask_phone", masking.mask_phone)
register.filter("mask_name", masking.mask_name)

TONES = {
    "pending": "waiting",
    "paid": "info",
    "shipped": "info",
    "completed": "good",
    "closed": "plain",
    "refunded": "bad",
}


@register.filter
def yuan(amount: Decimal | None) -> str:
    """`¥1,266.40`; empty for nothing."""
    return "" if amount is None else display_amount(amount)


@register.filter
def status_badge(order: Order) -> SafeString:
    """Render the state as a coloured label."""
    tone = TONES.get(str(order.status), "plain")
    return format_html('<span class="badge {}">{}</span>', tone, order.get_status_display())


@register.filter
def hold_badge(order: Order) -> SafeString:
    """Say that an order is under review, and by which rule; a person's own words are not for the shop."""
    rule = HOLD_REASONS.get(order.hold_reason)
    label = f"{gettext('under review')} {rule}" if rule else gettext("under review")
    return format_html('<span class="badge waiting">{}</span>', label)


@register.filter
def exact_time(moment: datetime | None) -> SafeString | str:
    """Render a time in the shop's zone to the second, machine-readable in its attribute."""
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}">{}</time>',
        local.isoformat(timespec="seconds"),
        date_format(local, "Y-m-d H:i:s"),
    )
