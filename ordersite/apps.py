from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.db.models.signals import post_migrate


class OrdersiteConfig(AppConfig):
    default = True
    name = "ordersite"
    label = "ordersite"

    def ready(self) -> None:
        from ordersite import roles  # models exist only from here on

        # For every app: the permissions of an app are there only after its own turn.
        post_migrate.connect(roles.make_groups)


class BackOfficeConfig(admin_apps.AdminConfig):
    """Stands in INSTALLED_APPS for django.contrib.admin, so that `admin.site` is our own."""

    default = False
    default_site = "ordersite.backoffice.BackOffice"
