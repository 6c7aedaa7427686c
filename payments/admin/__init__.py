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
from payments.admin.reading import mapping_admin

__all__ = [
    "account",
    "case",
    "dead_call",
    "limit",
    "mapping_admin",
    "notification",
    "payment",
    "revival",
    "settlement",
    "statement",
    "statement_line",
]
