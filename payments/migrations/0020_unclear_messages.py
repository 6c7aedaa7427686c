"""Add the kind of case and the outcome for a message about money in a form that is not known."""

from django.db import migrations, models

KINDS = [
    ("unknown_order", "paid, order unknown"),
    ("amount_mismatch", "amount differs"),
    ("wrong_account", "wrong account"),
    ("already_paid", "paid twice"),
    ("order_closed", "paid after closing"),
    ("refund_event", "refund not requested here"),
    ("reference_conflict", "trade used twice"),
    ("order_refused", "paid, order refused it"),
    ("reversed", "payment reversed at the provider"),
    ("unclear", "unclear message about money"),
    ("refund_trouble", "refund in trouble"),
    ("statement_difference", "statement differs"),
    ("bad_signatures", "calls with bad signatures"),
    ("provider_silent", "provider does not answer"),
    ("poison", "cannot be processed"),
]
OUTCOMES = [
    ("", "waiting"),
    ("applied", "applied"),
    ("duplicate", "duplicate"),
    ("refund_applied", "refund applied"),
    ("closed_noted", "closing noted"),
    ("noted", "noted"),
    ("unknown_order", "unknown order"),
    ("amount_mismatch", "amount differs"),
    ("wrong_account", "wrong account"),
    ("already_paid", "already paid"),
    ("order_closed", "order closed"),
    ("refund_event", "refund not requested here"),
    ("reference_conflict", "trade used twice"),
    ("order_refused", "order refused it"),
    ("reversed", "payment reversed"),
    ("refund_trouble", "refund in trouble"),
    ("unclear", "unclear message about money"),
    ("poison", "cannot be processed"),
    ("rejected", "rejected"),
]


def outcome(name):
    return models.CharField(blank=True, choices=OUTCOMES, default="", max_length=20, verbose_name=name)


class Migration(migrations.Migration):
    dependencies = [("payments", "0019_attempt_subject")]

    operations = [
        migrations.AlterField(
            "paymentexception", "kind", models.CharField(choices=KINDS, max_length=20, verbose_name="kind")
        ),
        migrations.AlterField("paymentnotification", "outcome", outcome("outcome")),
        migrations.AlterField("statementline", "outcome", outcome("settlement")),
    ]
