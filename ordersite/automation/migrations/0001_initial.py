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
        ('orders', '0018_intercepts_of_a_strategy'),
    ]

    operations = [
        migrations.CreateModel(
            name='AutomationRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80, verbose_name='name')),
                ('is_on', models.BooleanField(default=False, verbose_name='switched on')),
                ('paused_at', models.DateTimeField(editable=False, null=True, verbose_name='paused at')),
                ('paused_why', models.CharField(choices=[('owner', 'its owner is no longer active'), ('right', 'its owner lacks a right that it needs'), ('cap', 'it did more in an hour than it may')], default='', max_length=10, verbose_name='paused because')),
                ('paused_detail', models.CharField(default='', editable=False, max_length=200)),
                ('most_an_hour', models.PositiveIntegerField(default=200, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(10000)], verbose_name='at most in an hour')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created at')),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='owner')),
            ],
            options={
                'verbose_name': 'automation rule',
                'verbose_name_plural': 'automation rules',
                'ordering': ('-id',),
                'permissions': [('manage_rules', 'Can build and switch automation rules')],
                'indexes': [models.Index(condition=models.Q(('is_on', True), ('paused_at__isnull', True)), fields=['id'], name='rule_running')],
            },
        ),
        migrations.CreateModel(
            name='RuleVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(verbose_name='version')),
                ('trigger', models.CharField(max_length=60, verbose_name='when')),
                ('hours', models.PositiveIntegerField(blank=True, null=True, verbose_name='hours')),
                ('conditions', models.JSONField(default=dict, verbose_name='conditions')),
                ('actions', models.JSONField(default=list, verbose_name='actions')),
                ('digest', models.CharField(editable=False, max_length=64)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='saved at')),
                ('author', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='author')),
                ('merchant', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orders.merchant', verbose_name='merchant')),
                ('rule', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='versions', to='automation.automationrule', verbose_name='automation rule')),
            ],
            options={
                'verbose_name': 'version of a rule',
                'verbose_name_plural': 'versions of rules',
                'ordering': ('-number',),
                'constraints': [models.UniqueConstraint(fields=('rule', 'number'), name='rule_version_number')],
            },
        ),
        migrations.CreateModel(
            name='RuleRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('due_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('leased_until', models.DateTimeField(null=True)),
                ('done_at', models.DateTimeField(null=True)),
                ('last_error', models.CharField(blank=True, default='', max_length=500)),
                ('fact', models.CharField(max_length=100)),
                ('event', models.CharField(max_length=60, verbose_name='when')),
                ('at', models.DateTimeField(verbose_name='happened')),
                ('state', models.CharField(choices=[('unmatched', 'conditions not met'), ('waiting', 'at work'), ('done', 'done'), ('trouble', 'an action failed'), ('loop', 'stopped: caused by a rule'), ('paused', 'stopped: rule paused')], max_length=10, verbose_name='result')),
                ('seen', models.JSONField(default=dict)),
                ('failed', models.CharField(blank=True, default='', max_length=10)),
                ('depth', models.PositiveSmallIntegerField(default=0)),
                ('chain', models.JSONField(default=list)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='ran')),
                ('order', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orders.order', verbose_name='order')),
                ('rule', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='runs', to='automation.automationrule', verbose_name='rule')),
                ('version', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='automation.ruleversion', verbose_name='version')),
            ],
            options={
                'verbose_name': 'run of a rule',
                'verbose_name_plural': 'runs of rules',
                'ordering': ('-id',),
                'indexes': [models.Index(condition=models.Q(('done_at__isnull', True)), fields=['id'], name='rule_run_waiting'), models.Index(fields=['order', 'id'], name='rule_run_of_order'), models.Index(condition=models.Q(('state__in', ['unmatched', 'loop']), _negated=True), fields=['rule', 'created_at'], name='rule_run_matched'), models.Index(fields=['created_at'], name='rule_run_by_time'), models.Index(fields=['rule', 'state', '-id'], name='rule_run_by_state')],
                'constraints': [models.UniqueConstraint(fields=('rule', 'fact'), name='rule_run_once')],
            },
        ),
        migrations.CreateModel(
            name='DryRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('due_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('leased_until', models.DateTimeField(null=True)),
                ('done_at', models.DateTimeField(null=True)),
                ('last_error', models.CharField(blank=True, default='', max_length=500)),
                ('since', models.DateTimeField(verbose_name='since')),
                ('until', models.DateTimeField(verbose_name='until')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='started at')),
                ('facts', models.PositiveIntegerField(default=0)),
                ('matched', models.PositiveIntegerField(default=0)),
                ('busiest_hour', models.PositiveIntegerField(default=0)),
                ('is_cut', models.BooleanField(default=False)),
                ('problem', models.CharField(blank=True, default='', max_length=40)),
                ('looked_at', models.DateTimeField(null=True)),
                ('looked_by', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('started_by', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='started by')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='dry_runs', to='automation.ruleversion', verbose_name='version')),
            ],
            options={
                'verbose_name': 'dry run',
                'verbose_name_plural': 'dry runs',
                'ordering': ('-id',),
                'indexes': [models.Index(condition=models.Q(('done_at__isnull', True)), fields=['id'], name='dry_run_waiting')],
            },
        ),
        migrations.AddField(
            model_name='automationrule',
            name='current',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='automation.ruleversion', verbose_name='current version'),
        ),
        migrations.CreateModel(
            name='DryRunRow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveIntegerField()),
                ('fact', models.CharField(max_length=100)),
                ('at', models.DateTimeField()),
                ('seen', models.JSONField(default=dict)),
                ('dry_run', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='rows', to='automation.dryrun')),
                ('order', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orders.order')),
            ],
            options={
                'verbose_name': 'row of a dry run',
                'verbose_name_plural': 'rows of dry runs',
                'ordering': ('position',),
                'constraints': [models.UniqueConstraint(fields=('dry_run', 'position'), name='dry_run_row_position')],
            },
        ),
        migrations.CreateModel(
            name='OrderTag',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=20, verbose_name='tag')),
                ('created_by', models.CharField(default='', editable=False, max_length=160)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created at')),
                ('order', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='tags', to='orders.order', verbose_name='order')),
            ],
            options={
                'verbose_name': 'tag of an order',
                'verbose_name_plural': 'tags of orders',
                'ordering': ('id',),
                'indexes': [models.Index(fields=['name', '-order'], name='order_tag_by_name')],
                'constraints': [models.UniqueConstraint(fields=('order', 'name'), name='order_tag_once')],
            },
        ),
        migrations.CreateModel(
            name='ReleaseRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(max_length=500, verbose_name='reason')),
                ('proposed_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='proposed at')),
                ('status', django_fsm.FSMField(choices=[('proposed', 'waiting for review'), ('approved', 'approved'), ('refused', 'refused'), ('withdrawn', 'withdrawn')], default='proposed', max_length=10, protected=True, verbose_name='status')),
                ('decided_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='decided at')),
                ('decision_note', models.CharField(blank=True, default='', max_length=500, verbose_name='note of the decision')),
                ('is_single_operator', models.BooleanField(default=False, editable=False, verbose_name='decided alone')),
                ('decided_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='decided by')),
                ('order', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orders.order', verbose_name='order')),
                ('proposer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='proposed by')),
            ],
            options={
                'verbose_name': 'release request',
                'verbose_name_plural': 'release requests',
                'ordering': ['-id'],
                'abstract': False,
                'indexes': [models.Index(condition=models.Q(('status', 'proposed')), fields=['proposed_at'], name='release_request_waiting')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('status__in', ['approved', 'refused']), _negated=True), models.Q(('decided_by__isnull', False), models.Q(models.Q(('decided_by', models.F('proposer')), _negated=True), ('is_single_operator', True), _connector='OR')), _connector='OR'), name='releaserequest_two_persons'), models.UniqueConstraint(condition=models.Q(('status', 'proposed')), fields=('order',), name='release_request_live')],
            },
            bases=(ordersite.lib.models.guarded_status.GuardedStatus, models.Model),
        ),
        migrations.CreateModel(
            name='ActionRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveSmallIntegerField()),
                ('action', models.CharField(max_length=30, verbose_name='action')),
                ('state', models.CharField(blank=True, choices=[('', 'waits'), ('done', 'done'), ('proposed', 'proposed'), ('skipped', 'nothing to do'), ('failed', 'failed')], default='', max_length=10, verbose_name='result')),
                ('code', models.CharField(blank=True, default='', max_length=60)),
                ('words', models.CharField(blank=True, default='', max_length=300)),
                ('done_at', models.DateTimeField(null=True)),
                ('run', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='actions', to='automation.rulerun', verbose_name='run of a rule')),
            ],
            options={
                'verbose_name': 'action of a run',
                'verbose_name_plural': 'actions of runs',
                'ordering': ('position',),
                'constraints': [models.UniqueConstraint(fields=('run', 'position'), name='action_run_position')],
            },
        ),
    ]
