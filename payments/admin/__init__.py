from payments.admin import account, exception, limit, notification, payment, revival, settlement

__all__ = ["account", "exception", "limit", "notification", "payment", "revival", "settlement"]
