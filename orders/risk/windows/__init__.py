"""Counts attempts within spans of time and claims fingerprints: in Redis, or in the database where there is none."""
