from orders.models.monitoring.counts import CREATED, CountMark, HourCount, MinuteCount
from orders.models.monitoring.limit import WatchLimit

__all__ = ["CREATED", "CountMark", "HourCount", "MinuteCount", "WatchLimit"]
