from django.db import migrations, models

from ordersite.database import table_settings


class Migration(migrations.Migration):
    dependencies = [("payments", "0006_refund_two_persons"), ("rails", "0002_storage")]

    operations = [
        migrations.AddIndex(
            model_name="paymentnotification",
            index=models.Index(
                condition=models.Q(("outcome__in", ["", "applied", "duplicate"]), _negated=True),
                fields=["outcome", "-id"],
                name="notification_rare_outcome",
            ),
        ),
        # Room for the versions of a row that is claimed and finished: they stay on its page, out of the indexes.
        table_settings.keep("payments_paymentnotification", **table_settings.GROWING, fillfactor=65),
        table_settings.keep("payments_payment", **table_settings.GROWING),
    ]
