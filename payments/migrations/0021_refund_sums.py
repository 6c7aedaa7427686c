"""Keep the provider's sum that reported a refund, so that an older sum that arrives later finds its part in it."""

from django.db import migrations

import ordersite.lib.money


class Migration(migrations.Migration):
    dependencies = [("payments", "0020_unclear_messages")]

    operations = [
        migrations.AddField(
            "refund", "reached_total", ordersite.lib.money.MoneyField(editable=False, null=True)
        ),
    ]
