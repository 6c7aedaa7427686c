import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '__first__'),
        ('logistics', '0012_ordered_waybills'),
        ('orders', '0011_rare_kinds'),
    ]

    operations = [
        migrations.CreateModel(
            name='CarrierNotification',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('due_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('leased_until', models.DateTimeField(null=True)),
                ('done_at', models.DateTimeField(null=True)),
                ('last_error', models.CharField(blank=True, default='', max_length=500)),
                ('check_result', models.CharField(choices=[('verified', 'signature good'), ('rejected', 'signature bad')], max_length=10, verbose_name='signature check')),
                ('reject_code', models.CharField(blank=True, default='', max_length=30, verbose_name='rejected because')),
                ('reject_detail', models.CharField(blank=True, default='', max_length=200, verbose_name='rejected place')),
                ('carrier', models.CharField(blank=True, default='', max_length=20, verbose_name='carrier')),
                ('tracking_number', models.CharField(blank=True, default='', max_length=40, verbose_name='waybill number')),
                ('corrected_carrier', models.CharField(blank=True, default='', max_length=20, verbose_name='corrected carrier')),
                ('event_count', models.PositiveSmallIntegerField(default=0, verbose_name='events')),
                ('facts_digest', models.CharField(blank=True, default='', max_length=64)),
                ('body_digest', models.CharField(max_length=64)),
                ('remote_address', models.CharField(blank=True, default='', max_length=45, verbose_name='from')),
                ('received_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='received at')),
                ('answered_ms', models.PositiveIntegerField(default=0, verbose_name='answered in (ms)')),
                ('outcome', models.CharField(blank=True, choices=[('', 'waiting'), ('applied', 'applied'), ('duplicate', 'nothing new'), ('unknown_number', 'unknown number'), ('poison', 'cannot be processed'), ('rejected', 'rejected')], default='', max_length=20, verbose_name='outcome')),
            ],
            options={
                'verbose_name': 'carrier push',
                'verbose_name_plural': 'carrier pushes',
                'ordering': ['-id'],
                'permissions': [('replay_carriernotification', 'Can replay carrier pushes')],
            },
        ),
        migrations.CreateModel(
            name='RefusedPush',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(verbose_name='day')),
                ('path', models.CharField(max_length=120, verbose_name='path')),
                ('reason', models.CharField(max_length=30, verbose_name='reason')),
                ('calls', models.PositiveIntegerField(default=0, verbose_name='calls')),
                ('last_at', models.DateTimeField(verbose_name='last at')),
            ],
            options={
                'verbose_name': 'refused push',
                'verbose_name_plural': 'refused pushes',
            },
        ),
        migrations.CreateModel(
            name='PushBody',
            fields=[
                ('headers', models.JSONField(default=dict)),
                ('sealed_body', models.BinaryField(db_column='body')),
                ('key_id', models.CharField(blank=True, db_default='', default='', max_length=32)),
                ('notification', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='raw', serialize=False, to='logistics.carriernotification')),
                ('sealed_routes', models.BinaryField(default=b'')),
            ],
            options={
                'verbose_name': 'raw push',
                'verbose_name_plural': 'raw pushes',
            },
        ),
        migrations.AddField(
            model_name='carriernotification',
            name='account',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, to='logistics.carrieraccount', verbose_name='carrier account'),
        ),
        migrations.AddConstraint(
            model_name='refusedpush',
            constraint=models.UniqueConstraint(fields=('day', 'path', 'reason'), name='refused_push_row'),
        ),
        migrations.AddIndex(
            model_name='carriernotification',
            index=models.Index(condition=models.Q(('done_at__isnull', True)), fields=['id'], name='push_waiting'),
        ),
        migrations.AddIndex(
            model_name='carriernotification',
            index=models.Index(fields=['tracking_number', 'id'], name='push_number', opclasses=['varchar_pattern_ops', 'int8_ops']),
        ),
        migrations.AddIndex(
            model_name='carriernotification',
            index=models.Index(condition=models.Q(('check_result', 'rejected')), fields=['account', 'received_at'], name='push_rejected'),
        ),
        migrations.AddIndex(
            model_name='carriernotification',
            index=models.Index(condition=models.Q(('outcome__in', ['', 'applied', 'duplicate']), _negated=True), fields=['outcome', '-id'], name='push_rare_outcome'),
        ),
        migrations.AddIndex(
            model_name='carriernotification',
            index=models.Index(fields=['account', '-id'], name='push_account'),
        ),
        migrations.AddIndex(
            model_name='carriernotification',
            index=models.Index(fields=['body_digest', 'id'], name='push_body'),
        ),
        migrations.AddConstraint(
            model_name='carriernotification',
            constraint=models.UniqueConstraint(condition=models.Q(('check_result', 'verified')), fields=('account', 'facts_digest'), name='push_once'),
        ),
    ]
