"""The web process's entry: granian --interface rsgi ordersite.rsgi:application."""

from __future__ import annotations

from ordersite.lib import env
from ordersite.server.front import Front
from ordersite.wsgi import application as wsgi_application

# Calls of providers and carriers, whose bodies are small.
application = Front(
    wsgi_application, threads=env.integer("WEB_THREADS", 8, least=1), small_prefixes=("/notify/", "/push/")
)
