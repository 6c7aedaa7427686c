import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0017_read_any_bank_file")]

    operations = [
        migrations.CreateModel(
            name="PaymentQuery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("answer", models.CharField(blank=True, default="", max_length=20, verbose_name="answer")),
                ("error_code", models.CharField(blank=True, default="", max_length=40)),
                ("error", models.CharField(blank=True, default="", max_length=200, verbose_name="error")),
                ("times", models.PositiveIntegerField(default=1, verbose_name="times queried")),
                ("first_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="first query at")),
                ("last_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="last query at")),
                (
                    "payment",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="answers",
                        to="payments.payment",
                        verbose_name="payment",
                    ),
                ),
            ],
            options={
                "verbose_name": "query",
                "verbose_name_plural": "queries",
                "ordering": ["id"],
                "indexes": [models.Index(fields=["payment", "id"], name="payment_query_of_payment")],
            },
        ),
    ]
