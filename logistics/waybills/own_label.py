"""Lays out a label of our own where the carrier gives none, 76 × 130 mm, and draws it as an SVG that any program prints.

It holds the carrier's marks, the number as QR code, both addresses and the goods. Presentation attributes alone: no
style sheet, so that it looks alike as a file and on a page. `logistics.waybills.pdf` draws the same layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import segno
from django.utils.translation import gettext as _

from logistics.carriers.types import Contact
from logistics.labels import carrier_name
from logistics.models import WaybillOrder
from logistics.waybills.carrier_request import request_of

WIDTH, HEIGHT = 76, 130
# Lines across, in mm from the top, and where the QR code stands.
RULES = (12, 33, 59, 82)
CODE_X, CODE_Y, CODE_SIZE = 4, 83, 34
_FONT = "sans-serif"
# Of a wide character at the size of an address line (3.2 mm), within the margins.
_A_LINE = 21
_MOST_GOODS = 6


@dataclass(frozen=True, slots=True)
class LabelText:
    """A line of text: where it begins, on its base line, and its size, in mm."""

    x: float
    y: float
    size: float
    text: str
    is_bold: bool = False


@dataclass(frozen=True, slots=True)
class LabelLayout:
    """What stands on a label. Holds names, phones and addresses."""

    title: str
    code: str
    texts: Sequence[LabelText]


def lay_out(waybill: WaybillOrder) -> LabelLayout:
    """The label of a made waybill, in the language that is active. Two queries."""
    request = request_of(waybill)
    marks = [str(value) for _name, value in sorted(waybill.marks.items()) if value]
    goods = [f"{one.name} ×{one.quantity}" for one in request.goods]
    shown = goods[:_MOST_GOODS] + (["…"] if len(goods) > _MOST_GOODS else [])
    texts = [
        LabelText(4, 9, 5.5, carrier_name(waybill.carrier), is_bold=True),
        *_texts(4, 18, 6.5, _wrapped(" ".join(marks)[:30], 10), is_bold=True),
        *_texts(4, 38, 3.2, [_("To:"), *_address(request.receiver)]),
        *_texts(4, 64, 2.8, [_("From:"), *_address(request.sender)]),
        *_texts(39, 90, 2.8, [line for text in shown for line in _wrapped(text, 12)][:9]),
        LabelText(4, 123, 4.5, waybill.tracking_number, is_bold=True),
        LabelText(4, 128, 2.4, f"{waybill.order.number}  {waybill.reference}"),
    ]
    return LabelLayout(str(waybill), waybill.tracking_number, texts)


def draw(waybill: WaybillOrder) -> str:
    """The SVG document of a made waybill. Holds names, phones and addresses."""
    layout = lay_out(waybill)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}mm" height="{HEIGHT}mm" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(layout.title, {chr(34): "&quot;"})}">'
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" fill="#fff" stroke="#000" stroke-width="0.4"/>'
        + "".join(f'<path d="M0.5 {y}H{WIDTH - 0.5}" stroke="#000" stroke-width="0.2"/>' for y in RULES)
        + "".join(_svg_text(one) for one in layout.texts)
        + _svg_code(layout.code)
        + "</svg>"
    )


def _address(contact: Contact) -> Sequence[str]:
    place = f"{contact.province}{contact.city}{contact.district}{contact.street}"
    return [_person(contact), *_wrapped(place, _A_LINE)[:4]]


def _person(contact: Contact) -> str:
    """Name and phone in one line: a courier needs the phone whole, a long name is shortened."""
    room = _A_LINE - 1 - 0.55 * len(contact.phone)
    lines = _wrapped(contact.name, room)
    name = lines[0] + "…" if len(lines) > 1 else contact.name
    return f"{name} {contact.phone}".strip()


def _wrapped(text: str, most: float) -> list[str]:
    """The text in lines of at most so many wide characters; a narrow one counts half."""
    lines, line, width = [], "", 0.0
    for character in text:
        size = 1.0 if ord(character) > 0x2E80 else 0.55
        if width + size > most and line:
            lines.append(line)
            line, width = "", 0.0
        line, width = line + character, width + size
    return [*lines, line] if line else lines


def _texts(
    x: float, y: float, size: float, lines: Sequence[str], *, is_bold: bool = False
) -> Iterator[LabelText]:
    for number, line in enumerate(lines):
        yield LabelText(x, round(y + number * size * 1.4, 2), size, line, is_bold)


def _svg_text(one: LabelText) -> str:
    weight = ' font-weight="700"' if one.is_bold else ""
    place = f'x="{one.x}" y="{one.y}" font-family="{_FONT}" font-size="{one.size}"'
    return f'<text {place}{weight} fill="#000">{escape(one.text)}</text>'


def code_of(text: str) -> segno.QRCode:
    """The QR code of a number."""
    return segno.make(text, error="m", micro=False)


def _svg_code(text: str) -> str:
    drawn: str = code_of(text).svg_inline(omitsize=True, border=2, dark="#000", light="#fff")
    place = f'x="{CODE_X}" y="{CODE_Y}" width="{CODE_SIZE}" height="{CODE_SIZE}"'
    return drawn.replace("<svg", f"<svg {place}", 1)
