"""Warehouses that send what they are instructed to: one that fetches its instructions, one that is sent them."""
