"""Draws labels as pages of a PDF: ours from their layout, and the carrier's pictures."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from io import BytesIO

from django.utils.translation import gettext_lazy as _
from fpdf import FPDF
from PIL import Image

from logistics.waybills.own_label import (
    CODE_SIZE,
    CODE_X,
    CODE_Y,
    HEIGHT,
    RULES,
    WIDTH,
    LabelLayout,
    LabelText,
    code_of,
)
from logistics.waybills.pdf.fonts import find_font, printable
from ordersite.lib.errors import DomainError

# A label of 76 × 130 mm at 600 dots an inch has 5.5 million.
MOST_PIXELS = 25_000_000
_POINTS_A_MM = 72 / 25.4
_QUIET_ZONE = 2

# It tells of each table of a font that it leaves out.
logging.getLogger("fontTools.subset").setLevel(logging.WARNING)


def draw_own(layouts: Iterable[LabelLayout]) -> bytes:
    """A PDF of a page for each label; the fonts are embedded once, with the characters that occur.

    Raises `DomainError` label_font_missing.
    """
    font = find_font()
    pdf = _document()
    pdf.add_font("label", "", font.regular, collection_font_number=font.number)
    pdf.add_font("label", "B", font.bold, collection_font_number=font.number)
    for layout in layouts:
        _page(pdf, layout)
    return bytes(pdf.output())


def _document() -> FPDF:
    pdf = FPDF(unit="mm", format=(WIDTH, HEIGHT))
    pdf.set_auto_page_break(auto=False)
    return pdf


def _page(pdf: FPDF, layout: LabelLayout) -> None:
    pdf.add_page()
    pdf.set_line_width(0.4)
    pdf.rect(0.5, 0.5, WIDTH - 1, HEIGHT - 1)
    pdf.set_line_width(0.2)
    for y in RULES:
        pdf.line(0.5, y, WIDTH - 0.5, y)
    for one in layout.texts:
        _text(pdf, one)
    _code(pdf, layout.code)


def _text(pdf: FPDF, one: LabelText) -> None:
    text = printable(one.text)
    if text.strip():
        pdf.set_font("label", "B" if one.is_bold else "", size=one.size * _POINTS_A_MM)
        pdf.text(one.x, one.y, text)


def _code(pdf: FPDF, text: str) -> None:
    """The QR code: a rectangle for each run of dark modules."""
    rows = [bytes(row) for row in code_of(text).matrix]
    module = CODE_SIZE / (len(rows) + 2 * _QUIET_ZONE)
    for y, row in enumerate(rows):
        x = 0
        while (start := row.find(1, x)) >= 0:
            end = row.find(0, start)
            x = end if end >= 0 else len(row)
            left, top = CODE_X + (start + _QUIET_ZONE) * module, CODE_Y + (y + _QUIET_ZONE) * module
            # A hair higher than a module: or printers leave white lines between the rows.
            pdf.rect(left, top, (x - start) * module, module * 1.02, style="F")


def draw_picture(picture: bytes) -> bytes:
    """A PDF of one page with a picture as large as the label allows. Raises `DomainError` label_unreadable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(BytesIO(picture), formats=("PNG", "JPEG")) as opened:
                if opened.width * opened.height > MOST_PIXELS:
                    raise label_unreadable()
        pdf = _document()
        pdf.add_page()
        pdf.image(BytesIO(picture), 0, 0, WIDTH, HEIGHT, keep_aspect_ratio=True)
        return bytes(pdf.output())
    except DomainError:
        raise
    except Exception as error:  # the edge: whatever a library says of a carrier's bytes
        raise label_unreadable() from error


def label_unreadable() -> DomainError:
    return DomainError(
        "label_unreadable", _("The carrier's label file is broken: fetch or print it at the carrier.")
    )
