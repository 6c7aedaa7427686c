from payments.admin import (
    account,
    dead_call,
    exception,
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
    "dead_call",
    "exception",
    "limit",
    "notification",
    "payment",
    "revival",
    "settlement",
    "statement",
    "statement_line",
]
