"""Mark refunds for which the provider sent no number; until now only their own number, «to 30.00», showed it.

The database's default serves processes of the version before, which run beside the new one during a deploy.
"""

from django.db import migrations, models


def mark(apps, _schema_editor):
    refunds = apps.get_model("payments", "Refund").objects
    refunds.filter(refund_reference__regex=r"^to [0-9]+\.[0-9]{2}$").update(is_unnumbered=True)


class Migration(migrations.Migration):
    dependencies = [("payments", "0013_case_step_action")]

    operations = [
        migrations.AddField(
            "refund",
            "is_unnumbered",
            models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.RunPython(mark, migrations.RunPython.noop),
    ]
