"""Many labels become one PDF: in order, each as its carrier made it, ours in Chinese, and broken ones left out."""

from __future__ import annotations

import io

import pytest
from pypdf import PdfReader, PdfWriter

from logistics.bulk.tests.label_files import build_waybills, pdf_label, png_label, texts_of
from logistics.models import WaybillOrder
from logistics.waybills.pdf import fonts
from logistics.waybills.pdf.join import MOST_PAGES, JoinedPdf
from logistics.waybills.pdf.labels import check_label, print_labels
from orders.models import Order
from ordersite.lib.errors import DomainError
from ordersite.lib.files import private

pytestmark = pytest.mark.django_db


def locked(label: bytes) -> bytes:
    writer, out = PdfWriter(clone_from=PdfReader(io.BytesIO(label))), io.BytesIO()
    writer.encrypt("secret")
    writer.write(out)
    return out.getvalue()


def refuse(_waybill_id: int, refused: DomainError) -> None:
    raise refused


def test_pages_stand_in_the_order_of_the_rows() -> None:
    first, ours, picture, second = build_waybills(
        pdf_label("SF", pages=2), None, png_label(), pdf_label("ZTO")
    )

    stored = print_labels([second.pk, ours.pk, first.pk, picture.pk], refuse)

    said = texts_of(stored)
    assert [said[0], said[2], said[3], said[4]] == ["ZTO 1", "SF 1", "SF 2", ""]
    assert ours.tracking_number in said[1]
    assert len(said) == 5


def test_our_label_says_chinese_names_and_keeps_its_size() -> None:
    [ours] = build_waybills(None)

    stored = print_labels([ours.pk], refuse)

    [said] = texts_of(stored)
    assert "龘欣怡" in said
    assert "广东省深圳市南山区科技园路1号" in said.replace("\n", "")
    with private.open(stored) as file:
        box = PdfReader(io.BytesIO(file.read())).pages[0].mediabox
    assert (round(float(box.width) * 25.4 / 72), round(float(box.height) * 25.4 / 72)) == (76, 130)


def test_a_carriers_page_keeps_its_size_and_loses_its_links() -> None:
    [waybill] = build_waybills(pdf_label("SF"))

    stored = print_labels([waybill.pk], refuse)

    with private.open(stored) as file:
        page = PdfReader(io.BytesIO(file.read())).pages[0]
    assert round(float(page.mediabox.width) * 25.4 / 72) == 100
    assert "/Annots" not in page


@pytest.mark.parametrize(
    "broken",
    [
        b"%PDF-1.4 cut off",
        pdf_label("SF")[:400],
        pdf_label("SF", pages=MOST_PAGES + 1),
        locked(pdf_label("SF")),
        png_label()[:60],
    ],
    ids=["no objects", "cut off", "a book", "locked", "half a picture"],
)
def test_a_broken_label_is_named_and_the_others_are_printed(broken: bytes) -> None:
    bad, good = build_waybills(broken, pdf_label("ZTO"))
    refused: dict[int, str] = {}

    stored = print_labels([bad.pk, good.pk], lambda pk, error: refused.update({pk: error.code}))

    assert texts_of(stored) == ["ZTO 1"]
    assert refused == {bad.pk: "label_unreadable"}
    with pytest.raises(DomainError, match="label_unreadable"):
        check_label(WaybillOrder.objects.get(pk=bad.pk))


def test_a_file_that_is_gone_is_named() -> None:
    gone, _other = build_waybills(pdf_label("SF"), None)
    private.remove(WaybillOrder.objects.get(pk=gone.pk).label_file)

    with pytest.raises(DomainError, match="label_file_missing"):
        check_label(WaybillOrder.objects.get(pk=gone.pk))


def test_a_character_that_the_font_lacks_is_named() -> None:
    [ours] = build_waybills(None)
    Order.objects.filter(pk=ours.order_id).update(buyer_name="张\U000f0000三")

    with pytest.raises(DomainError, match="label_character"):
        check_label(WaybillOrder.objects.get(pk=ours.pk))


def test_joiners_and_control_characters_are_left_out() -> None:
    assert fonts.printable("张\u200d三\ufe0f\n李") == "张三李"


def test_no_label_at_all_makes_no_file() -> None:
    [bad] = build_waybills(b"%PDF-1.4 cut off")

    with pytest.raises(DomainError, match="label_missing"):
        print_labels([bad.pk], lambda _pk, _error: None)


def test_a_joined_file_refers_to_nothing_that_is_not_there() -> None:
    out = io.BytesIO()
    joined = JoinedPdf(out)
    pages = [page for number in range(3) for page in joined.add(pdf_label(f"SF{number}"))]
    joined.close(pages)

    reader = PdfReader(out, strict=True)

    assert [page.extract_text() for page in reader.pages] == ["SF0 1", "SF1 1", "SF2 1"]
    assert all(page["/Parent"] == reader.trailer["/Root"]["/Pages"] for page in reader.pages)  # type: ignore[index]
