"""The web process's entry, served by `deploy/web.sh`."""

from __future__ import annotations

import os

from django.apps import apps
from django.conf import settings
from django.db import connections

from ordersite.database import server_defaults
from ordersite.lib.files.uploads import takes_files
from ordersite.server.bodies import Uploads
from ordersite.server.front import Front
from ordersite.server.uploads import may_upload
from ordersite.wsgi import application as wsgi_application
from payments.accounts.checks import refuse_playgrounds

os.umask(0o077)  # what a web process writes is for its owner alone
server_defaults.refuse_missing()
refuse_playgrounds()
apps.get_app_config("health").watch_clock()  # type: ignore[attr-defined]  # our own class
connections.close_all()  # the threads have connections of their own

# Calls of providers and carriers, whose bodies are small; the API words its refusals itself.
application = Front(
    wsgi_application,
    threads=settings.WEB_THREADS,
    small_prefixes=("/notify/", "/push/"),
    worded_prefixes=("/api/",),
    uploads=Uploads(takes_files, may_upload),
)
