"""QR codes as SVG, drawn here so that no address of ours reaches another server."""

from __future__ import annotations

import io

import segno
from django.utils.safestring import SafeString, mark_safe


def svg(text: str) -> bytes:
    """Draw the code of a text, dark on white. Raises ValueError for a text longer than any code holds."""
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        drawn, kind="svg", scale=8, border=2, dark="#17211f", light="#fff"
    )
    return drawn.getvalue()


def inline(text: str) -> SafeString:
    """Draw the code of a text as an SVG element for a page: a secret needs no address of its own."""
    drawn: str = segno.make(text, error="m", micro=False).svg_inline(
        scale=5, border=2, dark="#17211f", light="#fff"
    )
    return mark_safe(drawn)  # made of numbers alone
