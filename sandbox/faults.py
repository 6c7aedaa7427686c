"""Injects faults. A fault belongs to a target and is used up call by call."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sandbox.formats import now
from sandbox.store import Store

_NOTIFY = frozenset(
    {"delay", "drop", "duplicate", "reorder", "corrupt_signature", "wrong_amount", "timeout", "status_500"}
)
_GATEWAY = frozenset({"delay", "drop", "timeout", "status_500", "corrupt_signature", "wrong_amount"})

_REFUND = frozenset({"processing", "closed", "lost_answer"})
_CALL = frozenset({"delay", "drop", "timeout", "status_500", "bad_gateway", "throttled", "bad_signature"})
_ORDER_PUSH = frozenset({"drop", "duplicate", "reorder", "bad_signature"})
_SEND = frozenset({"delay", "drop", "timeout", "status_500", "bad_gateway", "throttled", "bad_signature"})
_SMS = _SEND | {"limit", "no_funds", "bad_number"}
_WECHAT = (_SEND - {"bad_signature"}) | {"wrong_token", "system_busy", "too_often", "limit", "bad_number"}
_FULFILMENT = frozenset({"out_of_stock", "address_unserved", "damaged", "silent"})

ALLOWED: Mapping[str, frozenset[str]] = {
    "alipay.notify": _NOTIFY | {"wrong_app_id", "wrong_seller_id"},
    "alipay.gateway": _GATEWAY | {"gbk", "unreadable"},
    "alipay.refund": _REFUND,
    "wechatpay.notify": _NOTIFY
    | {"wrong_appid", "wrong_mchid", "signature_probe", "migration"}
    | {"certificate_serial", "unknown_serial", "no_signature_type"},
    "wechatpay.gateway": _GATEWAY,
    "wechatpay.refund": _REFUND | {"abnormal"},
    "unionpay.notify": _NOTIFY | {"wrong_mer_id"},
    "unionpay.gateway": _GATEWAY,
    "unionpay.refund": _REFUND,
    "webhook.notify": _NOTIFY,
    "webhook.gateway": _GATEWAY,
    "webhook.refund": _REFUND - {"processing"},
    "kuaidi100.query": frozenset(
        {"delay", "drop", "timeout", "status_500", "duplicate", "reorder", "return_code"}
    ),
    "sf.create": _CALL | {"no_number", "old_waybill"},
    "sf.find": _CALL,
    "sf.cancel": _CALL,
    "sf.query": _CALL,
    "sf.push": frozenset({"drop", "status_500"}),
    "zto.create": _CALL | {"refused_area"},
    "zto.find": _CALL,
    "zto.cancel": _CALL,
    "zto.query": _CALL,
    "kuaidi100.subscribe": frozenset({"delay", "drop", "timeout", "status_500", "return_code"}),
    "kuaidi100.label": frozenset(
        {"delay", "drop", "timeout", "status_500", "lost_answer", "no_funds", "refused", "unreadable"}
    ),
    "kuaidi100.push": _NOTIFY - {"wrong_amount"},
    "cloud.push": frozenset({"delay", "drop", "timeout", "status_500"}) | _FULFILMENT,
    "receiver.hook": frozenset({"delay", "drop", "timeout", "status_500", "redirect", "gone", "slow_down"}),
    "erp.fetch": frozenset({"no_ack", "duplicate"}) | _FULFILMENT,
    "yto.create": _CALL | {"refused_area"},
    "yto.cancel": _CALL,
    "yto.query": _CALL,
    "sto.create": _CALL | {"refused_area"},
    "sto.cancel": _CALL,
    "sto.query": _CALL,
    "sto.push": _ORDER_PUSH,
    "yto.push": _ORDER_PUSH,
    "aliyun_sms.send": _SMS,
    "tencent_sms.send": _SMS | {"blocked"},
    "wechat.token": frozenset({"delay", "drop", "timeout", "status_500", "system_busy", "limit"}),
    "wechat_template.send": _WECHAT | {"not_follower"},
    "wechat_subscribe.send": _WECHAT,
    "dingtalk.send": _SEND,
    "feishu.send": _SEND,
    "wecom.send": _SEND,
    "smtp.send": frozenset({"delay", "drop", "timeout", "throttled", "limit", "bad_number", "refused"}),
    "message.report": frozenset({"drop", "duplicate", "failed"}),
}

# Seconds for the waiting ones, copies in all for duplicate, the yuan shown for wrong_amount.
DEFAULTS: Mapping[str, float] = {
    "delay": 3, "reorder": 3, "timeout": 30, "duplicate": 2, "wrong_amount": 0.01, "return_code": 502,
    "processing": 5, "abnormal": 1, "closed": 1, "no_number": 1, "slow_down": 60,
}  # fmt: skip
LIMITS: Mapping[str, float] = {
    "delay": 3600, "reorder": 3600, "timeout": 600, "duplicate": 200, "processing": 86400, "abnormal": 86400,
    "closed": 86400,
}  # fmt: skip


class BadFault(Exception):
    """The fault does not exist at that target, or its numbers are invalid."""


@dataclass(frozen=True, slots=True)
class FaultOrder:
    """A request for a fault. `times` None means until it is cleared."""

    target: str
    fault: str
    value: float | None = None
    times: int | None = 1


def add(store: Store, order: FaultOrder) -> int:
    """Put a fault in place and return its id. Raises BadFault."""
    if order.fault not in ALLOWED.get(order.target, frozenset()):
        raise BadFault(f"{order.fault!r} is not known at {order.target!r}")
    value = DEFAULTS.get(order.fault, 0.0) if order.value is None else order.value
    if not 0 <= value <= LIMITS.get(order.fault, 1_000_000_000) or (
        order.times is not None and order.times < 1
    ):
        raise BadFault("value or times is out of range")
    row = store.row(
        "INSERT INTO faults (target, fault, value, remaining, created_at)"
        " VALUES (?, ?, ?, ?, ?) RETURNING id",
        order.target, order.fault, value, order.times, now(),
    )  # fmt: skip
    assert row is not None
    return int(row["id"])


def clear(store: Store, fault_id: int | None = None) -> None:
    """Take one fault away, or all."""
    store.rows("DELETE FROM faults WHERE ? IS NULL OR id = ?", fault_id, fault_id)


def take(store: Store, *, target: str, names: Iterable[str]) -> dict[str, float]:
    """Use up one call of each waiting fault of these names; returns name to value."""
    if store.row("SELECT 1 FROM faults WHERE target = ?", target) is None:
        return {}
    with store.transaction():
        rows = store.rows(
            "SELECT min(id) AS id, fault, value FROM faults"
            " WHERE target = ? AND fault IN (SELECT value FROM json_each(?)) GROUP BY fault",
            target, json.dumps(list(names)),
        )  # fmt: skip
        for row in rows:
            store.rows("UPDATE faults SET remaining = remaining - 1 WHERE id = ?", row["id"])
        store.rows("DELETE FROM faults WHERE remaining <= 0")
    return {row["fault"]: float(row["value"]) for row in rows}
