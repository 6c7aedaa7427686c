from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('logistics', '0013_pushes'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='trackingevent',
            options={'ordering': ['at', 'place', 'text_digest'], 'verbose_name': 'tracking event', 'verbose_name_plural': 'tracking events'},
        ),
        migrations.AddField(
            model_name='shipment',
            name='last_pushed_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='last pushed at'),
        ),
        migrations.AddField(
            model_name='trackingevent',
            name='overall_status',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=20),
        ),
        migrations.AddField(
            model_name='trackingevent',
            name='place',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name='trackingevent',
            name='source',
            field=models.CharField(blank=True, db_default='', default='', max_length=20, verbose_name='said by'),
        ),
    ]
