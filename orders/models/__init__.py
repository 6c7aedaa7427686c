from orders.models.attempt_marks import AttemptMark, FingerprintClaim
from orders.models.buyer import Buyer
from orders.models.change_request import ChangeRequest, SetupEnd
from orders.models.history import HistorySeal, OrderEvent, OrderEventText
from orders.models.hold_review import HoldMark, HoldReview, HoldReviewQuerySet, ReviewState
from orders.models.idempotency import IdempotencyKey
from orders.models.intercept import Intercept, InterceptLayer, InterceptOutcome
from orders.models.merchant import ApiClient, Merchant, MerchantMember
from orders.models.money_limit import MoneyLimit
from orders.models.monitoring import CountMark, HourCount, MinuteCount, WatchLimit
from orders.models.order import Order, OrderLine, OrderQuerySet, OrderStatus
from orders.models.privacy import PhoneLook
from orders.models.proposal import Proposal, ProposalStatus
from orders.models.risk_strategy import RiskAction, RiskStrategy, StrategyKind
from orders.models.rule import TransitionRule
from orders.models.staff_mail import StaffLanguage, StaffMail

__all__ = [
    "ApiClient",
    "AttemptMark",
    "Buyer",
    "ChangeRequest",
    "CountMark",
    "FingerprintClaim",
    "HistorySeal",
    "HoldMark",
    "HoldReview",
    "HoldReviewQuerySet",
    "HourCount",
    "IdempotencyKey",
    "Intercept",
    "InterceptLayer",
    "InterceptOutcome",
    "Merchant",
    "MerchantMember",
    "MinuteCount",
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
    "ReviewState",
    "RiskAction",
    "RiskStrategy",
    "SetupEnd",
    "StaffLanguage",
    "StaffMail",
    "StrategyKind",
    "TransitionRule",
    "WatchLimit",
]
