"""Start, test and check the project."""
