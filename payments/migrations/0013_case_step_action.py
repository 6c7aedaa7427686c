"""New Python name for the action of a case's step; the database does not change."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0012_account_column_names")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameField("paymentexceptionstep", "deed", "action"),
                migrations.AlterField(
                    "paymentexceptionstep",
                    "action",
                    models.CharField(
                        choices=[
                            ("taken", "taken on"),
                            ("assigned", "given to a colleague"),
                            ("asked", "provider asked"),
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
            ]
        )
    ]
