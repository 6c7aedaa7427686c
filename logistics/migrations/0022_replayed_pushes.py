from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("logistics", "0024_instructions_by_webhook")]

    operations = [
        migrations.AlterField(
            model_name="carriernotification",
            name="outcome",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "waiting"),
                    ("applied", "applied"),
                    ("duplicate", "nothing new"),
                    ("unknown_number", "unknown number"),
                    ("poison", "cannot be processed"),
                    ("rejected", "rejected"),
                    ("replayed", "replayed"),
                ],
                default="",
                max_length=20,
                verbose_name="outcome",
            ),
        ),
    ]
