"""The people who log in: how long a session lasts, the second step of a log-in, the password again."""
