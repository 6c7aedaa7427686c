from orders.admin import change_request, clients, history, machine, merchant

__all__ = ["change_request", "clients", "history", "machine", "merchant"]
