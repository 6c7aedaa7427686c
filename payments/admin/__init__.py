from payments.admin import (
    account,
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
    "exception",
    "limit",
    "notification",
    "payment",
    "revival",
    "settlement",
    "statement",
    "statement_line",
]
