import django_fsm
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payments", "0021_refund_sums")]

    operations = [
        migrations.AlterField(
            model_name="statement",
            name="status",
            field=django_fsm.FSMField(
                choices=[
                    ("choosing", "waiting for a mapping"),
                    ("uploaded", "waiting to be read"),
                    ("reading", "being read"),
                    ("matched", "matched"),
                    ("refused", "refused"),
                ],
                default="uploaded",
                max_length=10,
                protected=True,
                verbose_name="status",
            ),
        ),
    ]
