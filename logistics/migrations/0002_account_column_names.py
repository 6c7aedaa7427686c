"""New Python names for the columns of carrier accounts; the database does not change."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("logistics", "0001_initial")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameField("carrieraccount", "resting_until", "next_call_at"),
                migrations.AlterField(
                    "carrieraccount",
                    "next_call_at",
                    models.DateTimeField(
                        db_column="resting_until", editable=False, null=True, verbose_name="called next at"
                    ),
                ),
                migrations.RenameField("carrieraccount", "lane_leased_until", "leased_until"),
                migrations.AlterField(
                    "carrieraccount",
                    "leased_until",
                    models.DateTimeField(db_column="lane_leased_until", editable=False, null=True),
                ),
                migrations.AlterField(
                    "carrieraccount",
                    "changed_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="changed at"
                    ),
                ),
            ]
        )
    ]
