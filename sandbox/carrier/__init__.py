"""Simulates the carriers: moving parcels, and Kuaidi100's query."""
