from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0007_staff_language")]

    operations = [
        migrations.AlterField("phonelook", "order_id", models.BigIntegerField(null=True)),
        migrations.AddField(
            "phonelook", "searched", models.CharField(blank=True, db_default="", default="", max_length=16)
        ),
        migrations.AddIndex(
            "phonelook", models.Index(fields=["user_id", "looked_at"], name="phone_look_user")
        ),
    ]
