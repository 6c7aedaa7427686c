from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AutomationConfig(AppConfig):
    name = "ordersite.automation"
    label = "automation"
    verbose_name = _("Automation")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from orders.approvals import kinds
        from ordersite.automation import database_triggers
        from ordersite.automation.releases import RELEASE

        kinds.register(RELEASE)
        post_migrate.connect(database_triggers.prepare_database, sender=self)
