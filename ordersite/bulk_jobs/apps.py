from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BulkJobsConfig(AppConfig):
    name = "ordersite.bulk_jobs"
    label = "bulk_jobs"
    verbose_name = _("Bulk jobs")
    default_auto_field = "django.db.models.BigAutoField"
