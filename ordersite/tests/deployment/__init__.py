"""What `compose.yaml` and `deploy/` promise, taken at their word: their commands are run with their environments."""
