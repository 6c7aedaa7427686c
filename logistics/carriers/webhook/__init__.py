"""The documented form in which any outside system pushes the events of parcels: Standard Webhooks, JSON."""
