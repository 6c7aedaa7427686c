"""SF's codes as data: what an opCode of a route means, and what its two layers of error codes mean.

Sources: fuzui/aggregatelogistics, honghua-kd/website and yyQuartzWeb-1 (opCodes; no complete official table is public),
the platform's table of result codes (A…), its table of business errors (8…).
"""

from __future__ import annotations

from collections.abc import Mapping

from logistics.carriers.types import TrackingStatus

_BY_STATUS: Mapping[TrackingStatus, str] = {
    TrackingStatus.PICKED_UP: "50 54",
    # 607, received by an agent, stands for a shop in one source and for a stage of the way in another.
    TrackingStatus.IN_TRANSIT: "30 31 36 99 123 302 305 407 501 607 3036",
    TrackingStatus.OUT_FOR_DELIVERY: "44 204 634",
    TrackingStatus.READY_FOR_PICKUP: "125 130 642",
    TrackingStatus.DELIVERED: "80 8000",
    TrackingStatus.EXCEPTION: "33 70",
    TrackingStatus.RETURNING: "631 648",
}
STATUS_BY_CODE: Mapping[str, TrackingStatus] = {
    code: status for status, codes in _BY_STATUS.items() for code in codes.split()
}
# Often absent; where an opCode is not in the table it says at least this much.
STATUS_BY_NAME: Mapping[str, TrackingStatus] = {
    "已揽收": TrackingStatus.PICKED_UP,
    "运送中": TrackingStatus.IN_TRANSIT,
    "派送中": TrackingStatus.OUT_FOR_DELIVERY,
    "已签收": TrackingStatus.DELIVERED,
}
# An unknown code after one of these does not bring the parcel back on its way.
STAYS = frozenset((TrackingStatus.DELIVERED, TrackingStatus.RETURNING, TrackingStatus.RETURNED))

GATEWAY_TOOK_IT = "A1000"
# The gateway's refusals: the program behind it never saw the call.
GATEWAY_ERRORS: Mapping[str, str] = {
    "A1001": "not_accepted",
    "A1002": "busy",
    "A1003": "misconfigured",
    "A1004": "misconfigured",
    "A1005": "throttled",
    "A1006": "misconfigured",
    "A1008": "misconfigured",
}
SUCCESS = "S0000"
DUPLICATE_ORDER = "8016"
NO_SUCH_ORDER = frozenset(("8018", "8024"))
CANCELLED = "8037"
# The program behind the gateway failed: whether it acted is not known.
OUTCOME_UNKNOWN = frozenset(("S0003", "4001"))

NEEDS_A_PERSON, CANNOT_DELIVER = "1", "3"
