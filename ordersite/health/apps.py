from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class HealthConfig(AppConfig):
    name = "ordersite.health"
    label = "health"
    verbose_name = _("Machine room")
    default_auto_field = "django.db.models.BigAutoField"
