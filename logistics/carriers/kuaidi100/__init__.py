"""Kuaidi100 (快递100), an aggregator of nearly all Chinese carriers."""
