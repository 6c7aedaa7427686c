from ordersite.merchant_webhooks.admin import delivery, endpoint

__all__ = ["delivery", "endpoint"]
