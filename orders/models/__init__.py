from orders.models.buyer import Buyer
from orders.models.change_request import ChangeRequest, SetupEnd
from orders.models.history import HistorySeal, OrderEvent, OrderEventText
from orders.models.idempotency import IdempotencyKey
from orders.models.merchant import ApiClient, Merchant, MerchantMember
from orders.models.money_limit import MoneyLimit
from orders.models.order import Order, OrderLine, OrderQuerySet, OrderStatus
from orders.models.privacy import PhoneLook
from orders.models.proposal import Proposal, ProposalStatus
from orders.models.rule import TransitionRule
from orders.models.staff_mail import StaffLanguage, StaffMail

__all__ = [
    "ApiClient",
    "Buyer",
    "ChangeRequest",
    "HistorySeal",
    "IdempotencyKey",
    "Merchant",
    "MerchantMember",
    "MoneyLimit",
    "Order",
    "OrderEvent",
    "OrderEventText",
    "OrderLine",
    "OrderQuerySet",
    "OrderStatus",
    "PhoneLook",
    "Proposal",
    "ProposalStatus",
    "SetupEnd",
    "StaffLanguage",
    "StaffMail",
    "TransitionRule",
]
