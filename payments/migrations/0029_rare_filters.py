"""Filter notifications by a quiet account, and lines of statements by a rare kind, without reading all of them."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("payments", "0028_log_indexes")]

    operations = [
        migrations.AddIndex(
            "paymentnotification", models.Index(fields=["account", "-id"], name="notification_account")
        ),
        migrations.AddIndex(
            "statementline",
            models.Index(
                fields=["kind", "-id"], name="statement_line_rare_kind", condition=~Q(kind="payment")
            ),
        ),
    ]
