import datetime
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import django_fsm
import ordersite.lib.models.guarded_status
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '__first__'),
        ('logistics', '0021_calls_by_operation'),
        ('orders', '0018_intercepts_of_a_strategy'),
    ]

    operations = [
        migrations.CreateModel(
            name='MessageAccount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(max_length=40, unique=True, verbose_name='slug')),
                ('config', models.JSONField(default=dict, verbose_name='settings')),
                ('sealed_secrets', models.TextField(editable=False)),
                ('is_active', models.BooleanField(default=True, verbose_name='active')),
                ('changed_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='changed at')),
                ('failures_in_a_row', models.PositiveIntegerField(default=0, editable=False)),
                ('next_call_at', models.DateTimeField(db_column='resting_until', editable=False, null=True, verbose_name='called next at')),
                ('channel', models.CharField(max_length=20, verbose_name='channel')),
                ('leased_until', models.DateTimeField(editable=False, null=True)),
                ('push_token_digest', models.CharField(editable=False, max_length=64)),
                ('sealed_token', models.TextField(default='', editable=False)),
                ('token_expires_at', models.DateTimeField(editable=False, null=True)),
                ('unusable_since', models.DateTimeField(editable=False, null=True, verbose_name='unusable since')),
                ('last_problem', models.CharField(default='', editable=False, max_length=200, verbose_name='last problem')),
                ('merchant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='orders.merchant', verbose_name='merchant')),
            ],
            options={
                'verbose_name': 'message account',
                'verbose_name_plural': 'message accounts',
                'indexes': [models.Index(fields=['merchant', 'id'], name='message_account_of_merchant')],
                'constraints': [models.UniqueConstraint(fields=('push_token_digest',), name='message_account_push_token')],
            },
        ),
        migrations.CreateModel(
            name='BuyerMessage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('event', models.CharField(choices=[('order.created', 'order received'), ('order.paid', 'order paid'), ('order.shipped', 'parcel sent'), ('shipment.moving', 'parcel under way'), ('shipment.out_for_delivery', 'out for delivery'), ('shipment.ready_for_pickup', 'waits to be picked up'), ('shipment.delivered', 'parcel signed for'), ('shipment.stalled', 'parcel stalled'), ('order.refunded', 'order refunded'), ('order.closed', 'order closed'), ('rule', 'by a rule'), ('staff.notice', 'notice to staff')], max_length=40, verbose_name='message')),
                ('key', models.CharField(editable=False, max_length=200, verbose_name='key')),
                ('outside_id', models.CharField(editable=False, max_length=40, verbose_name='our number at the vendor')),
                ('text', models.TextField(blank=True, default='', verbose_name='text')),
                ('channels', models.JSONField(default=list, editable=False)),
                ('given_up', models.JSONField(default=list, editable=False)),
                ('status', django_fsm.FSMField(choices=[('queued', 'to be sent'), ('in_flight', 'being sent'), ('awaiting_retry', 'will be tried again'), ('sent', 'sent'), ('failed', 'not sent'), ('suppressed', 'held back')], default='queued', max_length=15, protected=True, verbose_name='status')),
                ('reason', models.CharField(blank=True, default='', max_length=30, verbose_name='reason')),
                ('is_uncertain', models.BooleanField(default=False, verbose_name='may have been sent')),
                ('may_be_twice', models.BooleanField(default=False, verbose_name='may have been sent twice')),
                ('attempts', models.PositiveIntegerField(default=0, verbose_name='attempts')),
                ('failures', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('recipient', models.CharField(blank=True, default='', max_length=100, verbose_name='recipient')),
                ('recipient_digest', models.CharField(default='', editable=False, max_length=64)),
                ('is_delivered', models.BooleanField(null=True, verbose_name='delivered')),
                ('delivery_words', models.CharField(blank=True, default='', max_length=200, verbose_name="the vendor's report")),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created at')),
                ('queued_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('last_try_at', models.DateTimeField(editable=False, null=True, verbose_name='tried at')),
                ('next_try_at', models.DateTimeField(editable=False, null=True, verbose_name='tried next at')),
                ('settled_at', models.DateTimeField(editable=False, null=True, verbose_name='ended at')),
                ('leased_until', models.DateTimeField(editable=False, null=True)),
                ('merchant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='orders.merchant', verbose_name='merchant')),
                ('order', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='orders.order', verbose_name='order')),
                ('shipment', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='logistics.shipment', verbose_name='shipment')),
                ('account', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='messaging.messageaccount', verbose_name='message account')),
            ],
            options={
                'verbose_name': 'message',
                'verbose_name_plural': 'messages',
                'ordering': ['-id'],
                'permissions': [('resend_message', 'Can send messages again')],
                'indexes': [models.Index(fields=['order', 'id'], name='buyer_message_of_order'), models.Index(condition=models.Q(('next_try_at__isnull', False)), fields=['account', 'next_try_at', 'id'], name='buyer_message_to_send'), models.Index(fields=['merchant', '-id'], name='buyer_message_of_shop'), models.Index(condition=models.Q(('status', 'failed')), fields=['id'], name='buyer_message_not_sent'), models.Index(fields=['settled_at'], name='buyer_message_settled')],
                'constraints': [models.UniqueConstraint(fields=('key',), name='buyer_message_once'), models.UniqueConstraint(fields=('outside_id',), name='buyer_message_outside_id'), models.CheckConstraint(condition=models.Q(('status__in', ['queued', 'in_flight', 'awaiting_retry', 'sent', 'failed', 'suppressed'])), name='buyer_message_status_known'), models.CheckConstraint(condition=models.Q(models.Q(('next_try_at__isnull', False), ('status__in', ('queued', 'in_flight', 'awaiting_retry'))), models.Q(models.Q(('status__in', ('queued', 'in_flight', 'awaiting_retry')), _negated=True), ('next_try_at__isnull', True)), _connector='OR'), name='buyer_message_waits')],
            },
            bases=(ordersite.lib.models.guarded_status.GuardedStatus, models.Model),
        ),
        migrations.CreateModel(
            name='MessageAttempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('channel', models.CharField(max_length=20, verbose_name='channel')),
                ('outside_id', models.CharField(editable=False, max_length=40)),
                ('recipient_digest', models.CharField(default='', editable=False, max_length=64)),
                ('at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='time')),
                ('result', models.CharField(choices=[('started', 'on its way'), ('sent', 'taken by the vendor'), ('retry', 'not taken now'), ('given_up', 'not taken'), ('alarm', 'account unusable'), ('unknown', 'no answer: it may have been sent')], default='started', max_length=10, verbose_name='result')),
                ('code', models.CharField(blank=True, default='', max_length=30, verbose_name='code')),
                ('words', models.CharField(blank=True, default='', max_length=200, verbose_name="the vendor's words")),
                ('vendor_id', models.CharField(blank=True, default='', max_length=100, verbose_name="the vendor's number")),
                ('duration_ms', models.PositiveIntegerField(default=0, verbose_name='duration in ms')),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='messaging.messageaccount', verbose_name='message account')),
                ('message', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='tries', to='messaging.buyermessage', verbose_name='message')),
            ],
            options={
                'verbose_name': 'attempt at a message',
                'verbose_name_plural': 'attempts at a message',
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['message', 'id'], name='message_attempt_of_message'), models.Index(fields=['account', 'vendor_id'], name='message_attempt_vendor_id'), models.Index(fields=['outside_id'], name='message_attempt_outside_id'), models.Index(fields=['recipient_digest', 'at'], name='message_attempt_of_person'), models.Index(fields=['at'], name='message_attempt_at')],
            },
        ),
        migrations.CreateModel(
            name='MessageResend',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(max_length=200, verbose_name='reason')),
                ('at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='time')),
                ('by', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='person')),
                ('message', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='resends', to='messaging.buyermessage', verbose_name='message')),
            ],
            options={
                'verbose_name': 'repeated message',
                'verbose_name_plural': 'repeated messages',
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['message', 'id'], name='message_resend_of_message')],
            },
        ),
        migrations.CreateModel(
            name='MessageSettings',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('is_on', models.BooleanField(default=True, verbose_name='messages to buyers')),
                ('language', models.CharField(choices=[('zh-hans', '简体中文'), ('en', 'English')], default='zh-hans', max_length=10, verbose_name='language')),
                ('channels', models.JSONField(blank=True, default=list, verbose_name='order of channels')),
                ('events_off', models.JSONField(blank=True, default=list, verbose_name='not told')),
                ('quiet_from', models.TimeField(blank=True, default=datetime.time(22, 0), null=True, verbose_name='quiet from')),
                ('quiet_to', models.TimeField(blank=True, default=datetime.time(8, 0), null=True, verbose_name='quiet until')),
                ('time_zone', models.CharField(default='Asia/Shanghai', max_length=40, verbose_name='time zone of the buyers')),
                ('most_a_day', models.PositiveSmallIntegerField(default=10, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(50)], verbose_name='most messages to one person a day')),
                ('merchant', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='message_settings', to='orders.merchant', verbose_name='merchant')),
            ],
            options={
                'verbose_name': 'message settings',
                'verbose_name_plural': 'message settings',
            },
        ),
        migrations.CreateModel(
            name='MessageTemplate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('event', models.CharField(choices=[('order.created', 'order received'), ('order.paid', 'order paid'), ('order.shipped', 'parcel sent'), ('shipment.moving', 'parcel under way'), ('shipment.out_for_delivery', 'out for delivery'), ('shipment.ready_for_pickup', 'waits to be picked up'), ('shipment.delivered', 'parcel signed for'), ('shipment.stalled', 'parcel stalled'), ('order.refunded', 'order refunded'), ('order.closed', 'order closed'), ('rule', 'by a rule'), ('staff.notice', 'notice to staff')], max_length=40, verbose_name='message')),
                ('name', models.SlugField(blank=True, db_index=False, default='', max_length=40, verbose_name='name')),
                ('language', models.CharField(choices=[('zh-hans', '简体中文'), ('en', 'English')], default='zh-hans', max_length=10, verbose_name='language')),
                ('subject', models.CharField(blank=True, default='', max_length=100, verbose_name='subject of the e-mail')),
                ('text', models.TextField(max_length=500, verbose_name='text')),
                ('wechat', models.TextField(blank=True, default='', max_length=1000, verbose_name='fields of the WeChat template')),
                ('changed_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='changed at')),
                ('merchant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='orders.merchant', verbose_name='merchant')),
            ],
            options={
                'verbose_name': 'message text',
                'verbose_name_plural': 'message texts',
                'ordering': ['merchant', 'event', 'name', 'language'],
                'constraints': [models.UniqueConstraint(fields=('merchant', 'event', 'name', 'language'), name='message_template_once', violation_error_message='There is a text of this name and language already.'), models.CheckConstraint(condition=models.Q(models.Q(('event', 'rule'), models.Q(('name', ''), _negated=True)), models.Q(models.Q(('event', 'rule'), _negated=True), ('name', '')), _connector='OR'), name='message_template_named', violation_error_message='The text of a rule needs a name; all others have none.')],
            },
        ),
        migrations.AddField(
            model_name='buyermessage',
            name='template',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='messaging.messagetemplate', verbose_name='template'),
        ),
        migrations.CreateModel(
            name='StopListEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('phone', 'phone'), ('openid', 'WeChat openid'), ('email', 'e-mail')], max_length=10, verbose_name='kind')),
                ('digest', models.CharField(editable=False, max_length=64)),
                ('masked', models.CharField(max_length=100, verbose_name='address')),
                ('reason', models.CharField(max_length=200, verbose_name='reason')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created at')),
                ('created_by', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='person')),
                ('merchant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='orders.merchant', verbose_name='merchant')),
            ],
            options={
                'verbose_name': 'stop-list entry',
                'verbose_name_plural': 'stop list',
                'ordering': ['-id'],
                'constraints': [models.UniqueConstraint(fields=('merchant', 'digest'), name='stop_list_once')],
            },
        ),
        migrations.CreateModel(
            name='SubscriptionConsent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(editable=False, max_length=64)),
                ('template_id', models.CharField(max_length=100, verbose_name='template at WeChat')),
                ('given_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='given at')),
                ('merchant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='orders.merchant', verbose_name='merchant')),
                ('message', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='messaging.buyermessage', verbose_name='message')),
            ],
            options={
                'verbose_name': 'consent to a message',
                'verbose_name_plural': 'consents to messages',
                'ordering': ['-id'],
                'indexes': [models.Index(condition=models.Q(('message__isnull', True)), fields=['merchant', 'digest', 'template_id', 'id'], name='consent_unused'), models.Index(condition=models.Q(('message__isnull', False)), fields=['message'], name='consent_of_message')],
            },
        ),
    ]
