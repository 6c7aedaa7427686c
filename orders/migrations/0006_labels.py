"""Labels only; the database does not change."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0005_change_requests")]

    operations = [
        migrations.AlterField(
            "merchant",
            "allows_single_operator",
            models.BooleanField(
                default=False,
                help_text="For a shop of one person: the proposer may also approve, after a wait, and the history "
                "marks it.",
                verbose_name="one person may decide alone",
            ),
        ),
        migrations.AlterField(
            "orderevent",
            "kind",
            models.CharField(
                choices=[
                    ("created", "created"),
                    ("transition", "change of state"),
                    ("hold", "held"),
                    ("release", "released"),
                    ("close_requested", "closing requested"),
                    ("waybill", "waybill"),
                    ("refund_requested", "refund requested"),
                    ("refund_ended", "refund request ended"),
                    ("partial_refund", "partial refund"),
                    ("note", "note"),
                ],
                max_length=20,
                verbose_name="kind",
            ),
        ),
    ]
