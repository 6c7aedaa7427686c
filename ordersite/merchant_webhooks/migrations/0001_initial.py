import django.db.models.deletion
import django.utils.timezone
import django_fsm
import ordersite.lib.models.guarded_status
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('orders', '0018_intercepts_of_a_strategy'),
    ]

    operations = [
        migrations.CreateModel(
            name='EventMessage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(editable=False, max_length=120, unique=True)),
                ('webhook_id', models.CharField(max_length=40, unique=True, verbose_name='message id')),
                ('name', models.CharField(max_length=60, verbose_name='event')),
                ('body', models.TextField(verbose_name='body')),
                ('happened_at', models.DateTimeField(verbose_name='happened at')),
                ('ordered_at', models.DateTimeField(editable=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created at')),
                ('merchant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='orders.merchant', verbose_name='merchant')),
                ('order', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='orders.order', verbose_name='order')),
            ],
            options={
                'verbose_name': 'webhook message',
                'verbose_name_plural': 'webhook messages',
                'indexes': [models.Index(fields=['created_at'], name='webhook_message_created')],
            },
        ),
        migrations.CreateModel(
            name='WebhookEndpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(max_length=40, unique=True, verbose_name='slug')),
                ('config', models.JSONField(default=dict, verbose_name='settings')),
                ('sealed_secrets', models.TextField(editable=False)),
                ('is_active', models.BooleanField(default=True, verbose_name='active')),
                ('changed_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='changed at')),
                ('failures_in_a_row', models.PositiveIntegerField(default=0, editable=False)),
                ('next_call_at', models.DateTimeField(db_column='resting_until', editable=False, null=True, verbose_name='called next at')),
                ('url', models.CharField(max_length=500, verbose_name='address')),
                ('events', models.JSONField(default=list, verbose_name='events')),
                ('rotating_until', models.DateTimeField(editable=False, null=True, verbose_name='old secret signs until')),
                ('paused_at', models.DateTimeField(editable=False, null=True, verbose_name='paused at')),
                ('pause_reason', models.CharField(choices=[('person', 'paused by a person'), ('failing', 'every attempt failed for a day'), ('gone', 'the receiver answered 410: the address no longer exists')], default='', editable=False, max_length=10, verbose_name='reason of the pause')),
                ('failing_since', models.DateTimeField(editable=False, null=True, verbose_name='failing since')),
                ('last_success_at', models.DateTimeField(editable=False, null=True, verbose_name='last delivered at')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created at')),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='orders.merchant', verbose_name='merchant')),
            ],
            options={
                'verbose_name': 'webhook endpoint',
                'verbose_name_plural': 'webhook endpoints',
                'ordering': ['-id'],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('is_active', True), ('pause_reason', ''), ('paused_at__isnull', True)), models.Q(('is_active', False), ('paused_at__isnull', False), models.Q(('pause_reason', ''), _negated=True)), _connector='OR'), name='webhook_endpoint_pause'), models.UniqueConstraint(fields=('merchant', 'url'), name='webhook_endpoint_once')],
            },
        ),
        migrations.CreateModel(
            name='WebhookDelivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('ordered_at', models.DateTimeField(editable=False)),
                ('status', django_fsm.FSMField(choices=[('waiting', 'to be sent'), ('delivered', 'delivered'), ('given_up', 'given up after a day of attempts'), ('dropped', 'not sent: paused for too long')], default='waiting', max_length=10, protected=True, verbose_name='status')),
                ('attempts', models.PositiveIntegerField(default=0, verbose_name='attempts')),
                ('failures', models.PositiveIntegerField(default=0, editable=False)),
                ('first_failure_at', models.DateTimeField(editable=False, null=True)),
                ('last_status', models.PositiveSmallIntegerField(blank=True, null=True, verbose_name='HTTP status')),
                ('last_words', models.CharField(blank=True, default='', max_length=200, verbose_name='answer')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created at')),
                ('last_try_at', models.DateTimeField(editable=False, null=True, verbose_name='tried at')),
                ('next_try_at', models.DateTimeField(editable=False, null=True, verbose_name='tried next at')),
                ('settled_at', models.DateTimeField(editable=False, null=True, verbose_name='ended at')),
                ('resent_at', models.DateTimeField(editable=False, null=True, verbose_name='sent again at')),
                ('leased_until', models.DateTimeField(editable=False, null=True)),
                ('message', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='merchant_webhooks.eventmessage', verbose_name='webhook message')),
                ('order', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='orders.order', verbose_name='order')),
                ('endpoint', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='merchant_webhooks.webhookendpoint', verbose_name='webhook endpoint')),
            ],
            options={
                'verbose_name': 'webhook delivery',
                'verbose_name_plural': 'webhook deliveries',
                'ordering': ['-id'],
                'permissions': [('resend_webhookdelivery', 'Can send webhooks again')],
                'indexes': [models.Index(condition=models.Q(('order__isnull', False)), fields=['order', 'endpoint', 'ordered_at'], name='webhook_delivery_of_order'), models.Index(condition=models.Q(('next_try_at__isnull', False)), fields=['endpoint', 'next_try_at', 'id'], name='webhook_delivery_to_try'), models.Index(fields=['endpoint', 'created_at'], name='webhook_delivery_by_time')],
                'constraints': [models.UniqueConstraint(fields=('endpoint', 'message'), name='webhook_delivery_once'), models.CheckConstraint(condition=models.Q(('status__in', ['waiting', 'delivered', 'given_up', 'dropped'])), name='webhook_delivery_status_known'), models.CheckConstraint(condition=models.Q(models.Q(('next_try_at__isnull', False), ('status', 'waiting')), models.Q(models.Q(('status', 'waiting'), _negated=True), ('next_try_at__isnull', True)), _connector='OR'), name='webhook_delivery_waits')],
            },
            bases=(ordersite.lib.models.guarded_status.GuardedStatus, models.Model),
        ),
        migrations.CreateModel(
            name='WebhookTry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='time')),
                ('http_status', models.PositiveSmallIntegerField(blank=True, null=True, verbose_name='HTTP status')),
                ('duration_ms', models.PositiveIntegerField(default=0, verbose_name='duration in ms')),
                ('words', models.CharField(blank=True, default='', max_length=1000, verbose_name='answer')),
                ('delivery', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='tries', to='merchant_webhooks.webhookdelivery', verbose_name='webhook delivery')),
            ],
            options={
                'verbose_name': 'attempt to deliver a webhook',
                'verbose_name_plural': 'attempts to deliver a webhook',
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['delivery', 'id'], name='webhook_try_of_delivery')],
            },
        ),
    ]
