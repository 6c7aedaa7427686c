"""Answers «why is this order here?»: joins what each app explains, names the cause, who has to act, and what mends it."""
