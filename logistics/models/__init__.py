from logistics.models.carrier_call import CarrierCall
from logistics.models.case import ShipmentException
from logistics.models.dispatch import Dispatch, DispatchLine, DispatchQuerySet, DispatchStatus
from logistics.models.dispatch_webhook import (
    DispatchWebhook,
    DispatchWebhookAttempt,
    WebhookEvent,
    WebhookResult,
    WebhookStatus,
)
from logistics.models.map_run import MapRun
from logistics.models.notification import CarrierNotification, PushBody, RefusedPush
from logistics.models.shipment import (
    CARRIERS,
    Shipment,
    ShipmentLine,
    ShipmentQuerySet,
    ShipmentStatus,
    Subscription,
    TrackingEvent,
)
from logistics.models.stall_rule import StallRule
from logistics.models.stock_movement import MovementKind, StockMovement
from logistics.models.warehouse import CarrierAccount, Stock, Warehouse
from logistics.models.waybill import WaybillLine, WaybillOrder, WaybillStatus

__all__ = [
    "CARRIERS",
    "CarrierAccount",
    "CarrierCall",
    "CarrierNotification",
    "Dispatch",
    "DispatchLine",
    "DispatchQuerySet",
    "DispatchStatus",
    "DispatchWebhook",
    "DispatchWebhookAttempt",
    "MapRun",
    "MovementKind",
    "PushBody",
    "RefusedPush",
    "Shipment",
    "ShipmentException",
    "ShipmentLine",
    "ShipmentQuerySet",
    "ShipmentStatus",
    "StallRule",
    "Stock",
    "StockMovement",
    "Subscription",
    "TrackingEvent",
    "Warehouse",
    "WaybillLine",
    "WaybillOrder",
    "WaybillStatus",
    "WebhookEvent",
    "WebhookResult",
    "WebhookStatus",
]
