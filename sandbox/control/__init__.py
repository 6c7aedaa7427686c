"""The control page and its JSON calls."""
