"""The side of the webhook provider."""
