"""What the tests of several carriers share: the parties of a parcel, and what each failure of HTTP has to mean."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from werkzeug import Request, Response

from logistics.carriers.types import CarrierError, CarrierKeys, Contact, Goods

SENDER = Contact(
    name="杭州主仓", phone="0571-88880000", province="浙江省", city="杭州市", district="余杭区", street="文一西路969号",
)  # fmt: skip
RECEIVER = Contact(
    name="王小明", phone="13800138000", province="四川省", city="成都市", district="双流区", street="科学大道1号",
)  # fmt: skip
CUPS = (Goods("陶瓷杯", 2), Goods("杯盖", 1))

# The status of an answer, and the code of the error for a query and for what makes or cancels a waybill.
STATUSES = (
    (429, "throttled", "throttled"),
    (500, "busy", "unknown"),
    (502, "busy", "unknown"),
    (302, "busy", "unknown"),
    (404, "busy", "misconfigured"),
)
Call = Callable[[CarrierKeys], object]
# Seconds that a test's gateway waits for an answer; `answer_late` takes twice as long.
PATIENCE = 0.3


def error_of(call: Call, keys: CarrierKeys) -> str:
    """The code of the error that a call raises."""
    with pytest.raises(CarrierError) as caught:
        call(keys)
    return caught.value.code


def answer_late(_request: Request) -> Response:
    """Answer once the caller has given up."""
    time.sleep(2 * PATIENCE)
    return Response("{}")
