"""Label files as carriers give them, and readers of the PDF that is made of them."""

from __future__ import annotations

import io

from fpdf import FPDF
from PIL import Image
from pypdf import PdfReader

from logistics.models import WaybillOrder
from logistics.tests.builders import build_account, build_paid, build_shipment, build_waybill_order
from ordersite.lib.files import private
from sandbox.tests.nobody import nobody


def pdf_label(text: str, *, pages: int = 1) -> bytes:
    """A carrier's label of 100 × 150 mm that says `text`, with a link, which no label needs."""
    pdf = FPDF(unit="mm", format=(100, 150))
    for number in range(pages):
        pdf.add_page()
        pdf.set_font("helvetica", size=20)
        pdf.text(10, 30, f"{text} {number + 1}")
        pdf.link(10, 10, 50, 50, "https://carrier.test/")
    return bytes(pdf.output())


def png_label() -> bytes:
    picture = io.BytesIO()
    Image.new("1", (608, 1040), 1).save(picture, "PNG")
    return picture.getvalue()


def build_waybills(*labels: bytes | None) -> list[WaybillOrder]:
    """Made waybills, each with this label of its carrier, or none."""
    account = build_account(f"{nobody()}/query")
    made = []
    for label in labels:
        order = build_paid()
        order.buyer_name, order.street = "龘欣怡", "科技园路1号“壹方中心”B座3601室"
        order.province, order.city, order.district = "广东省", "深圳市", "南山区"
        order.save(update_fields=["buyer_name", "street", "province", "city", "district"])
        waybill = build_waybill_order(build_shipment(order=order), account)
        if label is not None:
            kept = private.save(io.BytesIO(label), limit=1_000_000, kinds=("pdf", "png", "jpeg"))
            WaybillOrder.objects.filter(pk=waybill.pk).update(label_file=kept)
        made.append(waybill)
    return made


def texts_of(stored: str) -> list[str]:
    """What each page of a stored PDF says; pypdf reads a zero before each character of an embedded Chinese font."""
    with private.open(stored) as file:
        pages = PdfReader(io.BytesIO(file.read())).pages
        return [page.extract_text().replace("\0", "") for page in pages]
