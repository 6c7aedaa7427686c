"""ZTO (中通): waybills and tracking through its open platform."""
