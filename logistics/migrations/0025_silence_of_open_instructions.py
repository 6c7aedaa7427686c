from datetime import timedelta

from django.db import migrations, models
from django.utils import timezone


def wait_for_answers(apps, schema_editor):
    """Give the instructions that are open at the upgrade their warehouse's time from now on."""
    dispatches = apps.get_model("logistics", "Dispatch").objects.filter(
        status__in=("waiting", "sent", "accepted"), answer_due_at=None
    )
    warehouses = apps.get_model("logistics", "Warehouse").objects.exclude(adapter="none")
    now = timezone.now()
    for pk, minutes in warehouses.values_list("pk", "silence_minutes"):
        dispatches.filter(warehouse_id=pk).update(answer_due_at=now + timedelta(minutes=minutes))


class Migration(migrations.Migration):

    dependencies = [
        ('logistics', '0022_replayed_pushes'),
    ]

    operations = [
        migrations.AlterField(
            model_name='warehouse',
            name='adapter',
            field=models.CharField(choices=[('none', 'no instructions'), ('pull', 'fetches its instructions'), ('push', 'is sent its instructions')], db_default='none', default='none', max_length=10, verbose_name='instructions'),
        ),
        migrations.RunPython(wait_for_answers, migrations.RunPython.noop),
    ]
