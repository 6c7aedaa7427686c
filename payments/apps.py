from celery import signals
from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class PaymentsConfig(AppConfig):
    name = "payments"
    verbose_name = _("Payments")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from orders.approvals import kinds  # settings and models exist only from here on
        from orders.truth import facts
        from payments import database_triggers
        from payments.about.facts import facts_of
        from payments.accounts.change_kind import ACCOUNT
        from payments.accounts.checks import check_gateways, refuse_playgrounds
        from payments.manual.revive import REVIVAL
        from payments.manual.settle import SETTLEMENT
        from payments.reconciliation.approval import STATEMENT
        from payments.refunds.approval import REFUND

        checks.register(check_gateways, checks.Tags.database)
        signals.worker_init.connect(refuse_playgrounds)
        kinds.register(SETTLEMENT, REVIVAL, REFUND, STATEMENT, ACCOUNT)
        facts.register(facts_of)
        post_migrate.connect(database_triggers.prepare_database, sender=self)
