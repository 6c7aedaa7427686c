"""The outside world in a box: providers, a carrier bureau and a warehouse, played from their side.

Runs as its own process (`python -m sandbox`), keeps its own keys and its own SQLite file, and imports nothing
of the application, so that it cannot share the application's mistakes.
"""
