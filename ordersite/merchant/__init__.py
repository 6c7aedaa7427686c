"""The pages of a merchant's members: the orders of their own shop."""
