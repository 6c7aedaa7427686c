from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class LogisticsConfig(AppConfig):
    name = "logistics"
    verbose_name = _("Logistics")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from logistics import database_triggers  # models cannot be imported earlier
        from logistics.about import facts_of
        from orders.truth import facts

        facts.register(facts_of)
        post_migrate.connect(database_triggers.prepare_database, sender=self)
