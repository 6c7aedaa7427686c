from orders.models.buyer import Buyer
from orders.models.history import HistorySeal, OrderEvent, OrderEventText
from orders.models.idempotency import IdempotencyKey
from orders.models.merchant import ApiClient, Merchant, MerchantMember
from orders.models.order import Order, OrderLine, OrderQuerySet, OrderStatus
from orders.models.privacy import PhoneLook
from orders.models.rule import TransitionRule

__all__ = [
    "ApiClient",
    "Buyer",
    "HistorySeal",
    "IdempotencyKey",
    "Merchant",
    "MerchantMember",
    "Order",
    "OrderEvent",
    "OrderEventText",
    "OrderLine",
    "OrderQuerySet",
    "OrderStatus",
    "PhoneLook",
    "TransitionRule",
]
