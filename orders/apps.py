from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = _("Orders")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from orders import database_triggers  # models cannot be imported earlier
        from orders.approvals import kinds, limit_changes, setup, switches

        kinds.register(switches.SWITCHES, limit_changes.LIMIT)
        user_logged_in.connect(setup.note_login)
        post_migrate.connect(database_triggers.prepare_database, sender=self)
