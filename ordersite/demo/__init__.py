"""The demonstration shop: its data, and the checkout page that a visitor can try."""
