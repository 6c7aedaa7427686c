"""STO's codes as data: what a scan means, and words of its refusals.

Source of the scans: the platform's list of scanType, as open-logistics-tracking/OLTS has it (mappings/cn/sto.csv), together
with fuzui/aggregatelogistics and txze/wzkj-common. Its error codes are in no public source.
"""

from __future__ import annotations

from collections.abc import Mapping

from logistics.carriers.types import TrackingStatus

# Left out, hence unknown: 驿站出库 (out of a shop), which one source reads as collected and another as on its way.
STATUS_BY_SCAN: Mapping[str, TrackingStatus] = {
    "收件": TrackingStatus.PICKED_UP,
    "装袋": TrackingStatus.IN_TRANSIT,
    "发件": TrackingStatus.IN_TRANSIT,
    "到件": TrackingStatus.IN_TRANSIT,
    "转邮": TrackingStatus.IN_TRANSIT,
    "转同行": TrackingStatus.IN_TRANSIT,
    "改地址件": TrackingStatus.IN_TRANSIT,
    "派件": TrackingStatus.OUT_FOR_DELIVERY,
    "第三方代派": TrackingStatus.OUT_FOR_DELIVERY,
    "柜机代收": TrackingStatus.READY_FOR_PICKUP,
    "驿站代收": TrackingStatus.READY_FOR_PICKUP,
    # The courier has taken it out of the locker again, to deliver or to return it; not the buyer.
    "快件取出": TrackingStatus.OUT_FOR_DELIVERY,
    "签收": TrackingStatus.DELIVERED,
    "客户签收": TrackingStatus.DELIVERED,
    "问题件": TrackingStatus.EXCEPTION,
    "退回件": TrackingStatus.RETURNING,
}
# A refusal that speaks of the number of our order may be that of a second order, whose words nobody has published.
ABOUT_OUR_NUMBER = ("订单号", "orderNo", "已下单", "已创建")
ABOUT_THE_ACCOUNT = ("appkey", "网点编码", "面单密码", "未订阅")
CANCELLED = "成功"
