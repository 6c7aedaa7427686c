"""The application for any WSGI server; the web process itself goes through ordersite.rsgi, which takes slow clients too."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ordersite.settings")
application = get_wsgi_application()
