"""Simulates UnionPay."""
