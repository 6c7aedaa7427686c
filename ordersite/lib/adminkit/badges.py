"""HTML of small parts of lists and pages: coloured states, right-aligned money, relative times, links."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from django.contrib.humanize.templatetags.humanize import naturaltime
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from ordersite.lib.durations import time_since
from ordersite.lib.money import display_amount

Text = str | Promise

NOTHING = mark_safe('<span class="os-none">–</span>')  # a constant
TONES = frozenset({"good", "moving", "waiting", "bad", "plain"})


def badge(text: Text, *, tone: str = "plain") -> SafeString:
    """Render a coloured label. `tone` is good, moving, waiting, bad or plain."""
    return format_html('<span class="os-badge os-{}">{}</span>', tone if tone in TONES else "plain", text)


def money(amount: Decimal | None) -> SafeString:
    """Yuan with two decimals, in tabular figures, aligned to the right."""
    if amount is None:
        return NOTHING
    return format_html('<span class="os-money">{}</span>', display_amount(amount))


def number(value: int | None) -> SafeString:
    return NOTHING if value is None else format_html('<span class="os-money">{}</span>', f"{value:,}")


def ago(at: datetime | None) -> SafeString:
    """Render how long ago it was, with the exact time in the shop's zone on hover."""
    if at is None:
        return NOTHING
    exact = timezone.localtime(at)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        exact.isoformat(timespec="seconds"),
        exact.strftime("%Y-%m-%d %H:%M:%S"),
        _in_words(at),
    )


def _in_words(at: datetime) -> str:
    """After a day one unit says enough: a list is narrow, and the exact time is there on hover."""
    if timezone.now() - at < timedelta(days=1):
        return str(naturaltime(at))
    return _("%(delta)s ago") % {"delta": time_since(at, units=1)}


def lasting(start: datetime, end: datetime | None = None) -> SafeString:
    """How long something has lasted, or did until its end, with the exact beginning in the shop's time on hover."""
    exact = timezone.localtime(start)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        exact.isoformat(timespec="seconds"),
        exact.strftime("%Y-%m-%d %H:%M:%S"),
        time_since(start, end),
    )


def facts(pairs: Iterable[tuple[Text, object]]) -> SafeString:
    """Render names with their values; pairs without a value are left out."""
    shown = [(name, value) for name, value in pairs if value not in (None, "")]
    rows = format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", shown)
    return format_html('<dl class="os-facts">{}</dl>', rows) if shown else NOTHING


def link(text: Text, url_name: str, pk: int | str | None) -> SafeString:
    """Render a link to a back-office page, or the bare text if there is no such page or row."""
    address = address_of(url_name, pk)
    return (
        format_html('<a class="os-link" href="{}">{}</a>', address, text)
        if address
        else format_html("{}", text)
    )


def address_of(url_name: str, pk: int | str | None) -> str:
    """Return the address of a row's page; empty when page or row is unknown."""
    if not url_name or pk is None:
        return ""
    try:
        return reverse(url_name if ":" in url_name else f"admin:{url_name}", args=[pk])
    except NoReverseMatch:
        return ""
