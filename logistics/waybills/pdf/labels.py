"""One PDF of many labels, in their order: the carriers' own files, and ours where there is none."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from io import BytesIO

from django.utils.translation import gettext_lazy as _

from logistics.models import WaybillOrder
from logistics.waybills import errors
from logistics.waybills.label_files import MOST_BYTES
from logistics.waybills.own_label import LabelLayout, lay_out
from logistics.waybills.pdf.draw import draw_own, draw_picture
from logistics.waybills.pdf.fonts import refuse_unknown
from logistics.waybills.pdf.join import JoinedPdf
from ordersite.lib.errors import DomainError
from ordersite.lib.files import private

MOST_LABELS = 2_000
# Our own labels are drawn together, for they share their fonts; so many at a time, for drawn pages stay in memory.
TOGETHER = 500
_CHUNK = 50

Failed = Callable[[int, DomainError], None]


def check_label(waybill: WaybillOrder) -> None:
    """Read or lay out a label as `print_labels` does. Raises `DomainError` where it cannot be printed."""
    if not waybill.is_printable:
        raise errors.label_missing()
    if waybill.label_file:
        JoinedPdf(BytesIO()).add(_carriers_file(waybill))
    else:
        refuse_unknown(text.text for text in lay_out(waybill).texts)


def print_labels(waybill_ids: Sequence[int], failed: Failed) -> str:
    """Store one PDF of these labels, in this order, in the private storage; returns its name.

    A label that cannot be printed is handed to `failed` by its waybill's id and left out. Memory holds one carrier's
    file or TOGETHER of our own pages at a time. Raises `DomainError` label_missing where none is left.
    """
    with tempfile.TemporaryFile(dir=private.drafts()) as draft:
        joined, pages = JoinedPdf(draft), dict[int, list[int]]()
        own: list[tuple[int, LabelLayout]] = []
        for start in range(0, len(waybill_ids), _CHUNK):
            for waybill in _rows(waybill_ids[start : start + _CHUNK]):
                _add(waybill, joined, pages, own, failed)
            if len(own) >= TOGETHER:
                _add_own(own, joined, pages)
        _add_own(own, joined, pages)
        if not pages:
            raise errors.label_missing()
        joined.close([page for pk in waybill_ids for page in pages.get(pk, [])])
        draft.seek(0)
        return private.save(draft, limit=MOST_LABELS * 2 * MOST_BYTES, kinds=("pdf",))


def _rows(waybill_ids: Sequence[int]) -> list[WaybillOrder]:
    rows = WaybillOrder.objects.filter(pk__in=waybill_ids)
    return list(rows.select_related("order", "warehouse"))


def _add(
    waybill: WaybillOrder,
    joined: JoinedPdf,
    pages: dict[int, list[int]],
    own: list[tuple[int, LabelLayout]],
    failed: Failed,
) -> None:
    """Copy the carrier's file, or keep the layout of our own label for `_add_own`."""
    try:
        if not waybill.is_printable:
            raise errors.label_missing()
        if waybill.label_file:
            pages[waybill.pk] = joined.add(_carriers_file(waybill))
        else:
            layout = lay_out(waybill)
            refuse_unknown(text.text for text in layout.texts)
            own.append((waybill.pk, layout))
    except DomainError as refused:
        failed(waybill.pk, refused)


def _add_own(own: list[tuple[int, LabelLayout]], joined: JoinedPdf, pages: dict[int, list[int]]) -> None:
    if not own:
        return
    drawn = joined.add(draw_own([layout for _pk, layout in own]), most_pages=len(own))
    pages |= {pk: [page] for (pk, _layout), page in zip(own, drawn, strict=True)}
    own.clear()


def _carriers_file(waybill: WaybillOrder) -> bytes:
    """The carrier's label as a PDF. Raises `DomainError` label_file_missing, label_unreadable."""
    try:
        with private.open(waybill.label_file) as stored:
            content: bytes = stored.read()
    except FileNotFoundError as error:
        raise DomainError(
            "label_file_missing", _("The carrier's label file is gone from the storage.")
        ) from error
    return content if waybill.label_file.endswith(".pdf") else draw_picture(content)
