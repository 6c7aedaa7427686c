"""Reads the answers of the label API, and says in words what its typical refusals mean.

The vendor publishes no table of its error numbers, so that a refusal is known by its text
(api.kuaidi100.com/document/dianzimiandanV2, and what others report).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from logistics.carriers.kuaidi100.codes import FUNDS
from logistics.carriers.kuaidi100.routes import text_of
from logistics.carriers.types import MAX_EVIDENCE, CarrierError, NewWaybill, WaybillRequest

# Route codes that a label of our own prints.
MARKS = (
    "bulkpen",
    "orgCode",
    "orgName",
    "destCode",
    "destName",
    "orgSortingCode",
    "destSortingCode",
    "kdComOrderNum",
)
_UNSURE = re.compile("系统(?:异常|错误|繁忙)|服务器|超时|繁忙|稍后|网络")
_WRONG_KEYS = re.compile("签名|验签|未授权|无权限|[Kk][Ee][Yy]")
_CANCELLED = re.compile("已经?取消|重复取消|已撤销")
# From the special to the general: the first that fits explains the refusal.
_REASONS: tuple[tuple[re.Pattern[str], Promise], ...] = (
    (
        re.compile("单号余额|面单余额|面单数量|单号不足|库存不足"),
        _("No waybill numbers are left at the carrier: buy some from its branch, then order again."),
    ),
    (
        re.compile("停发|停收|暂停收寄|管制"),
        _("The carrier has stopped shipping to this area for now: wait, or choose another carrier."),
    ),
    (
        re.compile("超区|超出|不派送|无法到达|不在服务|地址不可达"),
        _("The address is outside the carrier's area: choose another carrier, or correct the address."),
    ),
    (
        re.compile("冻结|停用"),
        _("The monthly account at the carrier is frozen: call the branch that opened it."),
    ),
    (re.compile("模板|tempId"), _("The label's template is wrong: correct tempId in the carrier account.")),
    (
        re.compile("未付|未支付|关闭"),
        _("The order at the carrier is not paid or is closed: look into the carrier's console."),
    ),
    (
        re.compile("手机|电话|号码格式|mobile|tel"),
        _("The carrier does not accept a phone number: correct the receiver's or the warehouse's."),
    ),
    (
        re.compile("网点|net|三段码"),
        _("The branch's code is wrong: correct net and code in the carrier account."),
    ),
    (FUNDS, _("The account at Kuaidi100 is used up: top it up, then order again.")),
)


def read_waybill(answer: Mapping[str, Any], request: WaybillRequest) -> NewWaybill:
    """The waybill in the answer to an order. Raises `CarrierError`.

    The vendor repeats no insured value: an order that it accepted was accepted with the one that was sent.
    """
    data = _accepted(answer)
    number = text_of(data, "kuaidinum").upper()
    if not re.fullmatch(r"[0-9A-Z-]{6,40}", number):
        raise CarrierError("unknown", "an order without a number")
    return NewWaybill(
        tracking_number=number,
        label_url=text_of(data, "label")[:500],
        marks={name: text_of(data, name)[:100] for name in MARKS if text_of(data, name)},
        insured_value=request.insured_value,
        raw=json.dumps(answer, ensure_ascii=False, default=str)[:MAX_EVIDENCE],
    )


def read_cancelled(answer: Mapping[str, Any]) -> None:
    """Check the answer to a cancellation; one that was cancelled before is no error. Raises `CarrierError`."""
    if not _CANCELLED.search(text_of(answer, "message")):
        _accepted(answer)


def explain(detail: str) -> str:
    """What to do about a refusal, by the vendor's own words, in the reader's language; empty if they are new to us."""
    return next((str(text) for pattern, text in _REASONS if pattern.search(detail)), "")


def _accepted(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The data of an answer that is a success. Raises `CarrierError`."""
    if answer.get("success") is True and text_of(answer, "code") == "200":
        data = answer.get("data")
        return data if isinstance(data, dict) else {}
    if answer.get("success") is not False:
        raise CarrierError("unknown", "neither a success nor a refusal")
    raise _refusal(text_of(answer, "code"), text_of(answer, "message"))


def _refusal(code: str, message: str) -> CarrierError:
    detail = f"{message} ({code})" if code else message
    if _UNSURE.search(message):
        return CarrierError("unknown", detail)
    if _WRONG_KEYS.search(message):
        return CarrierError("misconfigured", detail)
    return CarrierError("refused", detail)
