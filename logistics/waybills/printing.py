"""Hands labels out: the carrier's own file, else the label that we draw. Views check the right before."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from io import BytesIO

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from logistics.models import WaybillOrder
from logistics.waybills import errors
from logistics.waybills.label_files import extension_of
from logistics.waybills.own_label import draw
from ordersite.lib.files import private

MOST_LABELS = 200


def label_response(waybill: WaybillOrder) -> HttpResponseBase:
    """The label as a file to save, never shown by the browser itself. Raises `DomainError` label_missing."""
    if not waybill.is_printable:
        raise errors.label_missing()
    if waybill.label_file:
        name = f"{waybill.tracking_number}.{extension_of(waybill.label_file)}"
        return private.attachment(waybill.label_file, name)
    return _download(draw(waybill).encode(), f"{waybill.tracking_number}.svg", "image/svg+xml")


def labels_zip(waybills: Iterable[WaybillOrder]) -> HttpResponse:
    """The labels of made waybills in one zip, at most MOST_LABELS."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for waybill in waybills:
            archive.writestr(*_entry(waybill))
    return _download(packed.getvalue(), "labels.zip", "application/zip")


def _entry(waybill: WaybillOrder) -> tuple[str, bytes]:
    stem = f"{waybill.carrier}-{waybill.tracking_number}"
    if not waybill.label_file:
        return f"{stem}.svg", draw(waybill).encode()
    with private.open(waybill.label_file) as stored:
        return f"{stem}.{extension_of(waybill.label_file)}", stored.read()


def _download(body: bytes, name: str, content_type: str) -> HttpResponse:
    response = HttpResponse(body, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, no-store"
    return response
