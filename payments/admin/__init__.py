from payments.admin import (
    account,
    case,
    dead_call,
    limit,
    notification,
    payment,
    revival,
    settlement,
    statement,
    statement_line,
)

__all__ = [
    "account",
    "case",
    "dead_call",
    "limit",
    "notification",
    "payment",
    "revival",
    "settlement",
    "statement",
    "statement_line",
]
