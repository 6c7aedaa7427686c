from payments.models.account import PaymentAccount
from payments.models.case import PaymentException
from payments.models.case_step import PaymentExceptionStep
from payments.models.dead_call import DeadCall, LogPosition
from payments.models.notification import NotificationBody, PaymentNotification, RefusedCall
from payments.models.payment import Payment, PaymentStatus, Refund
from payments.models.proposal import MoneyProposal
from payments.models.query import PaymentQuery
from payments.models.refund_request import RefundRequest, RefundStatus
from payments.models.revival_request import RevivalRequest
from payments.models.settlement_request import SettlementFile, SettlementRequest
from payments.models.statement import BillFetch, Statement, StatementStatus
from payments.models.statement_line import StatementLine
from payments.models.statement_mapping import StatementMapping

__all__ = [
    "BillFetch",
    "DeadCall",
    "LogPosition",
    "MoneyProposal",
    "NotificationBody",
    "Payment",
    "PaymentAccount",
    "PaymentException",
    "PaymentExceptionStep",
    "PaymentNotification",
    "PaymentQuery",
    "PaymentStatus",
    "Refund",
    "RefundRequest",
    "RefundStatus",
    "RefusedCall",
    "RevivalRequest",
    "SettlementFile",
    "SettlementRequest",
    "Statement",
    "StatementLine",
    "StatementMapping",
    "StatementStatus",
]
