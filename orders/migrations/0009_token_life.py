"""Tokens of API clients: their end, their last use, and the old token beside a renewed one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0008_phone_searches")]

    operations = [
        migrations.AddField(
            "apiclient",
            "expires_at",
            models.DateTimeField(editable=False, null=True, verbose_name="expires at"),
        ),
        migrations.AddField(
            "apiclient",
            "last_used_at",
            models.DateTimeField(editable=False, null=True, verbose_name="last used at"),
        ),
        migrations.AddField(
            "apiclient",
            "old_token_digest",
            models.CharField(editable=False, max_length=64, null=True, unique=True),
        ),
        migrations.AddField(
            "apiclient",
            "old_token_until",
            models.DateTimeField(editable=False, null=True, verbose_name="old token works until"),
        ),
    ]
