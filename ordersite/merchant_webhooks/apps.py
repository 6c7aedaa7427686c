from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MerchantWebhooksConfig(AppConfig):
    name = "ordersite.merchant_webhooks"
    label = "merchant_webhooks"
    verbose_name = _("Webhooks")
    default_auto_field = "django.db.models.BigAutoField"
