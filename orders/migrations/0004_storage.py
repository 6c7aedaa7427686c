from django.db import migrations

from ordersite.rails import storage


class Migration(migrations.Migration):
    dependencies = [("orders", "0003_refund_lines"), ("rails", "0002_storage")]

    operations = [
        storage.keep("orders_order", **storage.GROWING),
        # A day's keys are deleted an hour at a time.
        storage.keep("orders_idempotencykey", **storage.GROWING),
    ]
