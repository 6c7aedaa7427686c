"""New Python names for three columns, and labels; the database does not change."""

from django.db import migrations, models
from django.db.models import Q

_OUTCOMES = [
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
    ("poison", "cannot be processed"),
    ("rejected", "rejected"),
]


class Migration(migrations.Migration):
    dependencies = [("payments", "0015_approve_accounts_and_limits")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveConstraint("paymentnotification", "notification_once"),
                migrations.RemoveIndex("paymentnotification", "notification_rejected"),
                migrations.RenameField("paymentnotification", "verdict", "check_result"),
                migrations.AlterField(
                    "paymentnotification",
                    "check_result",
                    models.CharField(
                        choices=[("verified", "signature good"), ("rejected", "signature bad")],
                        db_column="verdict",
                        max_length=10,
                        verbose_name="signature check",
                    ),
                ),
                migrations.AddConstraint(
                    "paymentnotification",
                    models.UniqueConstraint(
                        condition=Q(check_result="verified"),
                        fields=["account", "event_id"],
                        name="notification_once",
                    ),
                ),
                migrations.AddIndex(
                    "paymentnotification",
                    models.Index(
                        condition=Q(check_result="rejected"),
                        fields=["account", "received_at"],
                        name="notification_rejected",
                    ),
                ),
                migrations.RenameField("payment", "last_asked_at", "last_query_at"),
                migrations.AlterField(
                    "payment",
                    "last_query_at",
                    models.DateTimeField(
                        db_column="last_asked_at", editable=False, null=True, verbose_name="last polled at"
                    ),
                ),
                migrations.RenameField("paymentexceptionstep", "words", "note"),
                migrations.AlterField(
                    "paymentexceptionstep",
                    "note",
                    models.CharField(
                        blank=True, db_column="words", default="", max_length=500, verbose_name="note"
                    ),
                ),
            ]
        ),
        migrations.AlterField(
            "payment",
            "next_query_at",
            models.DateTimeField(editable=False, null=True, verbose_name="next query at"),
        ),
        migrations.AlterField(
            "payment",
            "queries",
            models.PositiveSmallIntegerField(default=0, editable=False, verbose_name="number of queries"),
        ),
        migrations.AlterField(
            "paymentexception",
            "kind",
            models.CharField(
                choices=[
                    ("unknown_order", "paid, order unknown"),
                    ("amount_mismatch", "amount differs"),
                    ("wrong_account", "wrong account"),
                    ("already_paid", "paid twice"),
                    ("order_closed", "paid after closing"),
                    ("refund_event", "refund not requested here"),
                    ("reference_conflict", "trade used twice"),
                    ("order_refused", "paid, order refused it"),
                    ("reversed", "payment reversed at the provider"),
                    ("refund_trouble", "refund in trouble"),
                    ("statement_difference", "statement differs"),
                    ("bad_signatures", "calls with bad signatures"),
                    ("provider_silent", "provider does not answer"),
                    ("poison", "cannot be processed"),
                ],
                max_length=20,
                verbose_name="kind",
            ),
        ),
        migrations.AlterField(
            "paymentexceptionstep",
            "action",
            models.CharField(
                choices=[
                    ("taken", "taken on"),
                    ("assigned", "given to a colleague"),
                    ("asked", "provider queried"),
                    ("replayed", "notification replayed"),
                    ("refund_requested", "refund requested"),
                    ("settlement_proposed", "manual settlement proposed"),
                    ("revival_proposed", "revival proposed"),
                    ("noted", "noted"),
                    ("resolved", "resolved"),
                ],
                db_column="deed",
                max_length=20,
                verbose_name="what was done",
            ),
        ),
        migrations.AlterField(
            "paymentnotification",
            "outcome",
            models.CharField(
                blank=True,
                choices=_OUTCOMES,
                default="",
                max_length=20,
                verbose_name="outcome",
            ),
        ),
        migrations.AlterField(
            "paymentnotification",
            "provider_state",
            models.CharField(blank=True, default="", max_length=30, verbose_name="provider's state"),
        ),
        migrations.AlterField(
            "statementline",
            "outcome",
            models.CharField(
                blank=True,
                choices=_OUTCOMES,
                default="",
                max_length=20,
                verbose_name="settlement",
            ),
        ),
        migrations.AlterModelOptions(
            "refundrequest",
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("request_refund", "Can request refunds"),
                    ("approve_refund", "Can approve refunds"),
                ],
                "verbose_name": "refund request",
                "verbose_name_plural": "refund requests",
            },
        ),
    ]
