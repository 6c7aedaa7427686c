"""QR codes as SVG, drawn here so that no address of ours reaches another server."""

from __future__ import annotations

import io

import segno


def svg(text: str) -> bytes:
    """Draw the code of a text, dark on white. Raises ValueError for a text longer than any code holds."""
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        drawn, kind="svg", scale=8, border=2, dark="#17211f", light="#fff"
    )
    return drawn.getvalue()
