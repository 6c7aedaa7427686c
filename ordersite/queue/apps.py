from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class QueueConfig(AppConfig):
    name = "ordersite.queue"
    label = "rails"
    verbose_name = _("Machine room")
    default_auto_field = "django.db.models.BigAutoField"
