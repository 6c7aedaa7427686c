"""Health checks and metrics of a process."""
