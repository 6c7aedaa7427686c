"""The action of a money limit: a new name in Python for the column «deed». Nothing is changed in the database."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0010_staff_mail")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveConstraint(model_name="moneylimit", name="money_limit_once"),
                migrations.RenameField(model_name="moneylimit", old_name="deed", new_name="action"),
                migrations.AlterField(
                    model_name="moneylimit",
                    name="action",
                    field=models.CharField(
                        choices=[
                            ("refund_alone", "refund without approval"),
                            ("approve_refund", "approve a refund"),
                            ("propose_settlement", "propose a manual settlement"),
                            ("approve_settlement", "approve a manual settlement"),
                            ("approve_revival", "approve the revival of an order"),
                        ],
                        db_column="deed",
                        max_length=20,
                        verbose_name="action",
                    ),
                ),
                migrations.AlterModelOptions(
                    name="moneylimit",
                    options={
                        "ordering": ("action", "role_id"),
                        "verbose_name": "money limit",
                        "verbose_name_plural": "money limits",
                    },
                ),
                migrations.AddConstraint(
                    model_name="moneylimit",
                    constraint=models.UniqueConstraint(fields=("role", "action"), name="money_limit_once"),
                ),
            ]
        )
    ]
