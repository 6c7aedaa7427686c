"""New Python name for the time of a parcel's last poll, and labels; the database does not change."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("logistics", "0002_account_column_names")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameField("shipment", "last_asked_at", "last_poll_at"),
                migrations.AlterField(
                    "shipment",
                    "last_poll_at",
                    models.DateTimeField(
                        db_column="last_asked_at", editable=False, null=True, verbose_name="last polled at"
                    ),
                ),
                migrations.AlterField(
                    "shipmentexception",
                    "kind",
                    models.CharField(
                        choices=[
                            ("not_signed", "not signed for in time"),
                            ("carrier_silent", "carrier does not answer"),
                            ("returned", "parcel returned"),
                            ("order_not_completed", "signed for, order not completed"),
                        ],
                        max_length=20,
                        verbose_name="kind",
                    ),
                ),
            ]
        )
    ]
