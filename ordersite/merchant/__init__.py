"""What a merchant's people see: their own shop's orders, and nothing of anybody else's."""
