"""Filter the calls lost at the proxy, and search the lines of statements, without reading all of them."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q

ALONE = Q(payment__isnull=True) | ~Q(result="matched")


class Migration(migrations.Migration):
    dependencies = [("payments", "0027_keys_fingerprint")]

    operations = [
        migrations.AddIndex("deadcall", models.Index(fields=["provider", "id"], name="dead_call_provider")),
        migrations.AddIndex("deadcall", models.Index(fields=["status", "id"], name="dead_call_status")),
        migrations.RemoveIndex("statementline", "statement_line_reference"),
        migrations.RemoveIndex("statementline", "statement_line_trade"),
        migrations.AddIndex(
            "statementline",
            models.Index(fields=["reference"], name="statement_line_reference", condition=ALONE),
        ),
        migrations.AddIndex(
            "statementline",
            models.Index(fields=["provider_reference"], name="statement_line_trade", condition=ALONE),
        ),
    ]
