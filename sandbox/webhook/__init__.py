"""Simulates the webhook provider."""
