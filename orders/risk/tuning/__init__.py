"""What staff does with strategies: says them in words, changes them, and tries values over the past."""
