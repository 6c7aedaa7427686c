"""New Python names for the columns of payment accounts; the database does not change."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0011_money_limit_action")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameField("paymentaccount", "resting_until", "next_call_at"),
                migrations.AlterField(
                    "paymentaccount",
                    "next_call_at",
                    models.DateTimeField(
                        db_column="resting_until", editable=False, null=True, verbose_name="called next at"
                    ),
                ),
            ]
        )
    ]
