"""Each notification keeps which state of its account's keys its signature was good with; old rows do not know it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0026_given_lines")]

    operations = [
        migrations.AddField(
            "paymentnotification",
            "keys_fingerprint",
            models.CharField(
                blank=True,
                db_default="",
                default="",
                max_length=16,
                verbose_name="fingerprint of the keys",
            ),
        ),
    ]
