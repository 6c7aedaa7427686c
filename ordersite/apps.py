from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin import apps as admin_apps
from django.core import checks
from django.db.models.signals import post_migrate

from ordersite import logs
from ordersite.health.catalogues import check_catalogues
from ordersite.health.private_storage import check_private_storage
from ordersite.health.static_files import check_static_files


class OrdersiteConfig(AppConfig):
    default = True
    name = "ordersite"
    label = "ordersite"

    def ready(self) -> None:
        from ordersite import roles  # models cannot be imported earlier

        # For every app: an app's permissions exist only after its own post_migrate.
        post_migrate.connect(roles.make_groups)
        checks.register(check_catalogues, checks.Tags.translation)
        checks.register(check_private_storage)
        checks.register(check_static_files, checks.Tags.staticfiles)
        logs.install_hooks(settings.LOG_FORMAT)


class BackOfficeConfig(admin_apps.AdminConfig):
    """Replaces django.contrib.admin in INSTALLED_APPS, so that `admin.site` is our own."""

    default = False
    default_site = "ordersite.backoffice.BackOffice"
