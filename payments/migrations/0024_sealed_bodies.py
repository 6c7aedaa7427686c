"""Bodies are sealed. The rows that are there stay in clear until the clock's job seals them in batches."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0023_statements_that_wait")]

    operations = [
        migrations.AlterField("notificationbody", "body", models.BinaryField(db_column="body")),
        migrations.RenameField("notificationbody", "body", "sealed_body"),
        migrations.AddField(
            "notificationbody", "key_id", models.CharField(blank=True, db_default="", default="", max_length=32)
        ),
        migrations.AddIndex(
            "notificationbody",
            models.Index(
                condition=models.Q(("key_id", "")), fields=["notification"], name="raw_call_in_clear"
            ),
        ),
    ]
