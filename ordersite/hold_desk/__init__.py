"""The desk where people decide about orders that a rule holds. At the top, for closing gives money back."""
