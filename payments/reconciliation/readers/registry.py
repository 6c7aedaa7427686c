"""Choose the reader of a file by its content."""

from __future__ import annotations

from collections.abc import Iterator

from payments.reconciliation.readers import alipay, mapped, unionpay, wechatpay
from payments.reconciliation.readers.base import BillLine, Brief
from payments.reconciliation.readers.containers import OpenedBill
from payments.reconciliation.readers.layout import Mapping
from payments.reconciliation.readers.sorts import check_sort
from payments.reconciliation.refusals import Refused

FORMS = {"alipay": alipay, "wechatpay": wechatpay, "unionpay": unionpay}
MAPPED = "mapped"


def form_of(source: OpenedBill) -> str:
    """alipay, wechatpay or unionpay; "" for what only a mapping can read."""
    if source.is_workbook:
        return ""
    return next((form for form, reader in FORMS.items() if reader.fits(source.head)), "")


def lines_of(source: OpenedBill, brief: Brief, mapping: Mapping | None) -> Iterator[BillLine]:
    """The lines of a file of a known form, or of any file with a mapping. Raises `Refused`."""
    form = form_of(source)
    if form:
        return FORMS[form].read(source, brief)
    check_sort(source, has_mapping=mapping is not None)
    if mapping is None:
        raise Refused("unknown_form")
    return mapped.read(source, brief, mapping)
