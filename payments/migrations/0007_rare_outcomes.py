from django.db import migrations, models

from ordersite.rails import storage


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
        storage.keep("payments_paymentnotification", **storage.GROWING, fillfactor=65),
        storage.keep("payments_payment", **storage.GROWING),
    ]
