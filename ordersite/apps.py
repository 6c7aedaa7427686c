from django.apps import AppConfig
from django.db.models.signals import post_migrate


class OrdersiteConfig(AppConfig):
    name = "ordersite"
    label = "ordersite"

    def ready(self) -> None:
        from ordersite import roles  # models exist only from here on

        # For every app: the permissions of an app are there only after its own turn.
        post_migrate.connect(roles.make_groups)
