"""Django's PostgreSQL backend with connections that give up on a silent server (the name in DATABASES)."""
