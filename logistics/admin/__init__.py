from logistics.admin import (
    carrier_account,
    carrier_call,
    case,
    dispatch,
    push,
    shipment,
    stall_rule,
    stock,
    unknown_code,
    warehouse,
    waybill,
)

__all__ = [
    "carrier_account",
    "carrier_call",
    "case",
    "dispatch",
    "push",
    "shipment",
    "stall_rule",
    "stock",
    "unknown_code",
    "warehouse",
    "waybill",
]
