from logistics.models.case import ShipmentException
from logistics.models.shipment import (
    CARRIERS,
    Shipment,
    ShipmentLine,
    ShipmentQuerySet,
    ShipmentStatus,
    TrackingEvent,
)
from logistics.models.warehouse import CarrierAccount, Warehouse

__all__ = [
    "CARRIERS",
    "CarrierAccount",
    "Shipment",
    "ShipmentException",
    "ShipmentLine",
    "ShipmentQuerySet",
    "ShipmentStatus",
    "TrackingEvent",
    "Warehouse",
]
