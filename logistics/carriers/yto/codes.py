"""YTO's codes as data. Source: fuzui/aggregatelogistics (infoContent)."""

from __future__ import annotations

from collections.abc import Mapping

from logistics.carriers.types import TrackingStatus

# ARRIVAL means a hub here; at ZTO it means a locker.
STATUS_BY_CONTENT: Mapping[str, TrackingStatus] = {
    "GOT": TrackingStatus.PICKED_UP,
    "NOT_SEND": TrackingStatus.EXCEPTION,
    "ARRIVAL": TrackingStatus.IN_TRANSIT,
    "DEPARTURE": TrackingStatus.IN_TRANSIT,
    "PACKAGE": TrackingStatus.IN_TRANSIT,
    "FORWARDING": TrackingStatus.IN_TRANSIT,
    "SENT_SCAN": TrackingStatus.OUT_FOR_DELIVERY,
    "INBOUND": TrackingStatus.READY_FOR_PICKUP,
    "SIGNED": TrackingStatus.DELIVERED,
    "FAILED": TrackingStatus.EXCEPTION,
    "TMS_RETURN": TrackingStatus.RETURNING,
}
NOTHING_FOUND = "1001"
