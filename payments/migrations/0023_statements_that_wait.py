from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0022_wait_for_a_mapping'),
    ]

    operations = [
        migrations.AddField(
            model_name='statement',
            name='set_aside_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='set aside at'),
        ),
        migrations.AddIndex(
            model_name='statementline',
            index=models.Index(condition=models.Q(('outcome', ''), ('payment__isnull', False), ('result', 'missing_here')), fields=['statement'], name='statement_line_to_settle'),
        ),
    ]
