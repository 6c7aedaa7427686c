"""ZTO's codes as data: scan types of a route, and error codes.

Sources: fuzui/aggregatelogistics (scan types); the platform's tables of error codes as quoted in public notes of a test.
"""

from __future__ import annotations

from collections.abc import Mapping

from logistics.carriers.types import TrackingStatus

# ARRIVAL means in a locker or a shop here; at YTO and Yunda it means a hub.
STATUS_BY_SCAN: Mapping[str, TrackingStatus] = {
    "收件": TrackingStatus.PICKED_UP,
    "发件": TrackingStatus.IN_TRANSIT,
    "到件": TrackingStatus.IN_TRANSIT,
    "派件": TrackingStatus.OUT_FOR_DELIVERY,
    "ARRIVAL": TrackingStatus.READY_FOR_PICKUP,
    "签收": TrackingStatus.DELIVERED,
    "第三方签收": TrackingStatus.DELIVERED,
    "SIGNED": TrackingStatus.DELIVERED,
    "问题件": TrackingStatus.EXCEPTION,
    "退件": TrackingStatus.RETURNING,
    "退件签收": TrackingStatus.RETURNED,
}
SUCCESS = frozenset(("SYS000", "0000"))
# The platform's own refusals: the program behind it never saw the call.
PLATFORM_ERRORS: Mapping[str, str] = {
    "S206": "throttled",
    "S207": "misconfigured",
    "S208": "not_accepted",
    "S210": "misconfigured",
    "S211": "misconfigured",
    "S212": "misconfigured",
    "S214": "misconfigured",
    "S221": "throttled",
    "E404": "misconfigured",
    "E409": "phone_needed",
    "E413": "phone_needed",
    "E416": "not_accepted",
    "E418": "misconfigured",
}
# The program behind the platform was slow, failed or was away: whether it acted is not known.
OUTCOME_UNKNOWN = frozenset(("S200", "S202", "S203"))
