"""Alipay's side."""
