from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('logistics', '0005_silent_accounts'),
    ]

    operations = [
        migrations.AddField(
            model_name='carrieraccount',
            name='last_refresh_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
