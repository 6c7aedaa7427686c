from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = _("Orders")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from orders import database_triggers  # models exist only from here on
        from orders.approvals import kinds, language, limit_changes, setup, switches
        from orders.risk import defaults

        kinds.register(switches.SWITCHES, limit_changes.LIMIT)
        user_logged_in.connect(setup.note_login)
        user_logged_in.connect(language.note_login)
        post_migrate.connect(database_triggers.prepare_database, sender=self)
        post_migrate.connect(defaults.seed, sender=self)
