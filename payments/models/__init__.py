from payments.models.account import PaymentAccount
from payments.models.exception import PaymentException
from payments.models.limit import MoneyLimit
from payments.models.notification import NotificationBody, PaymentNotification, RefusedCall
from payments.models.payment import Payment, PaymentStatus, Refund
from payments.models.statement import (
    BillFetch,
    Statement,
    StatementLine,
    StatementMapping,
    StatementStatus,
)

__all__ = [
    "BillFetch",
    "MoneyLimit",
    "NotificationBody",
    "Payment",
    "PaymentAccount",
    "PaymentException",
    "PaymentNotification",
    "PaymentStatus",
    "Refund",
    "RefusedCall",
    "Statement",
    "StatementLine",
    "StatementMapping",
    "StatementStatus",
]
