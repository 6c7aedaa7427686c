"""Stores what carriers push, before it is applied."""
