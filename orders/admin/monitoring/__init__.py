from orders.admin.monitoring import limits, page

__all__ = ["limits", "page"]
