"""A new installation: its first rows by one guided command, and the checks that say what is still missing."""
