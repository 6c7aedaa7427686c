from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('logistics', '0003_shipment_column_name'),
    ]

    operations = [
        migrations.AddField(
            model_name='shipment',
            name='queries_today',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, editable=False, verbose_name='queries of the day'),
        ),
        migrations.AddField(
            model_name='shipment',
            name='queries_since',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='shipment',
            name='capped_until',
            field=models.DateTimeField(editable=False, null=True, verbose_name='asked again from'),
        ),
    ]
