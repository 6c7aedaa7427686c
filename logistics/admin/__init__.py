from logistics.admin import carrier_account, case, shipment, warehouse

__all__ = ["carrier_account", "case", "shipment", "warehouse"]
