"""Trades, refunds, notifications and bills, whatever the provider."""
