"""Trades, refunds, notifications and bills of all providers."""
