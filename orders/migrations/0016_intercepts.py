"""The log of intercepted attempts, and what the embedded default keeps instead of Redis."""

import django.db.models.deletion
import django.utils.timezone
import ordersite.lib.money
from django.db import migrations, models
from ordersite.database.table_settings import GROWING, QUEUE, keep


class Migration(migrations.Migration):

    dependencies = [
        ("orders", "0015_pending_twins"),
    ]

    operations = [
        migrations.CreateModel(
            name='AttemptMark',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('window', models.CharField(max_length=64)),
                ('member', models.CharField(max_length=32)),
                ('expires_at', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'attempt mark',
                'verbose_name_plural': 'attempt marks',
            },
        ),
        migrations.CreateModel(
            name='FingerprintClaim',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('fingerprint', models.CharField(max_length=64)),
                ('member', models.CharField(max_length=32)),
                ('order_number', models.CharField(default='', max_length=24)),
                ('expires_at', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'fingerprint claim',
                'verbose_name_plural': 'fingerprint claims',
            },
        ),
        migrations.CreateModel(
            name='Intercept',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('client_id', models.BigIntegerField(null=True)),
                ('at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='at')),
                ('layer', models.CharField(choices=[('idempotency', 'idempotency key'), ('fingerprint', 'fingerprint'), ('twin', 'constraint against twins'), ('attempts', 'attempts for one product'), ('strategy', 'risk strategy')], max_length=12, verbose_name='layer')),
                ('outcome', models.CharField(choices=[('replayed', 'replayed'), ('in_progress', 'still running'), ('refused', 'refused'), ('held', 'held'), ('warned', 'warned'), ('logged', 'logged only')], max_length=12, verbose_name='outcome')),
                ('code', models.CharField(default='', max_length=40, verbose_name='code')),
                ('strategy', models.CharField(default='', max_length=40, verbose_name='strategy')),
                ('buyer_outside_id', models.CharField(default='', max_length=64, verbose_name="buyer's number in the shop")),
                ('buyer_phone', models.CharField(default='', max_length=20, verbose_name="buyer's phone")),
                ('products', models.JSONField(default=list, verbose_name='products')),
                ('product_set', models.CharField(default='', max_length=64)),
                ('amount', ordersite.lib.money.MoneyField(verbose_name='total')),
                ('device_id', models.CharField(default='', max_length=100, verbose_name='device')),
                ('client_ip', models.CharField(default='', max_length=45, verbose_name='client address')),
                ('address', models.CharField(default='', max_length=400, verbose_name='address')),
                ('key_digest', models.CharField(default='', max_length=32)),
                ('order_number', models.CharField(default='', max_length=24, verbose_name='order number')),
                ('seen', models.JSONField(default=dict, verbose_name='what it saw')),
            ],
            options={
                'verbose_name': 'intercepted attempt',
                'verbose_name_plural': 'intercepted attempts',
                'ordering': ('-id',),
            },
        ),
        migrations.AddIndex(
            model_name='attemptmark',
            index=models.Index(fields=['expires_at'], name='attempt_mark_age'),
        ),
        migrations.AddConstraint(
            model_name='attemptmark',
            constraint=models.UniqueConstraint(fields=('window', 'member'), name='attempt_mark'),
        ),
        migrations.AddIndex(
            model_name='fingerprintclaim',
            index=models.Index(fields=['expires_at'], name='fingerprint_claim_age'),
        ),
        migrations.AddConstraint(
            model_name='fingerprintclaim',
            constraint=models.UniqueConstraint(fields=('fingerprint',), name='fingerprint_claim'),
        ),
        migrations.AddField(
            model_name='intercept',
            name='merchant',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='orders.merchant', verbose_name='merchant'),
        ),
        migrations.AddIndex(
            model_name='intercept',
            index=models.Index(fields=['merchant', '-id'], name='intercept_by_merchant'),
        ),
        migrations.AddIndex(
            model_name='intercept',
            index=models.Index(fields=['merchant', 'at'], name='intercept_by_time'),
        ),
        migrations.AddIndex(
            model_name='intercept',
            index=models.Index(fields=['at'], name='intercept_age'),
        ),
        migrations.AddIndex(
            model_name='intercept',
            index=models.Index(fields=['buyer_outside_id', '-id'], name='intercept_by_buyer'),
        ),
        migrations.AddIndex(
            model_name='intercept',
            index=models.Index(condition=models.Q(('client_ip', ''), _negated=True), fields=['client_ip', '-id'], name='intercept_by_address'),
        ),
        migrations.AddIndex(
            model_name='intercept',
            index=models.Index(fields=['outcome', '-id'], name='intercept_by_outcome'),
        ),
        migrations.AddIndex(
            model_name='intercept',
            index=models.Index(fields=['layer', '-id'], name='intercept_by_layer'),
        ),
        migrations.AddIndex(
            model_name='intercept',
            index=models.Index(condition=models.Q(('order_number', ''), _negated=True), fields=['order_number', '-id'], name='intercept_by_order'),
        ),
        migrations.AddIndex(
            model_name='intercept',
            index=models.Index(condition=models.Q(('strategy', ''), _negated=True), fields=['strategy', 'at'], name='intercept_by_strategy'),
        ),
        keep("orders_attemptmark", **QUEUE),
        keep("orders_fingerprintclaim", **QUEUE),
        keep("orders_intercept", **GROWING),
    ]
