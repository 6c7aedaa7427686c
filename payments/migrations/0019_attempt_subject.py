"""Keep the description of an attempt, and when its payment page was ordered anew.

The database's default serves processes of the version before, which run beside the new one during a deploy. Attempts
of that version have no description: theirs is made in the shop's language.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0018_payment_queries")]

    operations = [
        migrations.AddField(
            "payment",
            "subject",
            models.CharField(db_default="", default="", editable=False, max_length=128),
        ),
        migrations.AddField(
            "payment",
            "page_renewed_at",
            models.DateTimeField(editable=False, null=True),
        ),
    ]
