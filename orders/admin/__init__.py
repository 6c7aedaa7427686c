from orders.admin import clients, history, machine, merchant

__all__ = ["clients", "history", "machine", "merchant"]
