from payments.admin import account, exception, notification, payment

__all__ = ["account", "exception", "notification", "payment"]
