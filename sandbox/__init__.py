"""Simulates the outside companies: payment providers, the Kuaidi100 aggregator and the merchant's warehouse.

Runs as its own process (`python -m sandbox`) with its own keys and SQLite file. Imports nothing of the application,
so that it cannot share the application's mistakes.
"""
