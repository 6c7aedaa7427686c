from orders.admin import change_request, clients, history, intercept, machine, merchant, monitoring, risk

__all__ = [
    "change_request",
    "clients",
    "history",
    "intercept",
    "machine",
    "merchant",
    "monitoring",
    "risk",
]
