"""Filter history by a rare kind without reading all of it."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("orders", "0010_log_indexes")]

    operations = [
        migrations.AddIndex(
            "orderevent",
            models.Index(
                fields=["kind", "-id"],
                name="order_event_rare_kind",
                condition=~Q(kind__in=["created", "transition", "waybill"]),
            ),
        ),
    ]
