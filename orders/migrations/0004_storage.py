from django.db import migrations

from ordersite.database import table_settings


class Migration(migrations.Migration):
    dependencies = [("orders", "0003_refund_lines"), ("rails", "0002_storage")]

    operations = [
        table_settings.keep("orders_order", **table_settings.GROWING),
        # A day's keys are deleted an hour at a time.
        table_settings.keep("orders_idempotencykey", **table_settings.GROWING),
    ]
