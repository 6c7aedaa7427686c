"""The Celery application. Its tasks call the same functions as the loops of `manage.py work`.

Queues and the beat schedule stand in `ordersite.settings` (CELERY_…).
"""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ordersite.settings")
app = Celery("ordersite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
