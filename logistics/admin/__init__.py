from logistics.admin import carrier_account, exception, shipment, warehouse

__all__ = ["carrier_account", "exception", "shipment", "warehouse"]
