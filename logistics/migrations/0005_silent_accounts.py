import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.utils import timezone


def count_from_now(apps, schema_editor):
    """Nobody has kept when the accounts last answered: silence counts from this update on."""
    apps.get_model("logistics", "CarrierAccount").objects.update(last_answer_at=timezone.now())


class Migration(migrations.Migration):

    dependencies = [
        ('logistics', '0004_queries_of_a_day'),
        ('orders', '0008_phone_searches'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='carrieraccount',
            name='last_answer_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='last answer'),
        ),
        migrations.AddField(
            model_name='carrieraccount',
            name='last_problem',
            field=models.CharField(db_default='', default='', editable=False, max_length=200, verbose_name='last problem'),
        ),
        migrations.AddField(
            model_name='carrieraccount',
            name='silence_counts_from',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='carrieraccount',
            name='silent_since',
            field=models.DateTimeField(editable=False, null=True, verbose_name='silent since'),
        ),
        migrations.AddField(
            model_name='shipmentexception',
            name='account',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to='logistics.carrieraccount', verbose_name='carrier account'),
        ),
        migrations.AlterField(
            model_name='shipmentexception',
            name='kind',
            field=models.CharField(choices=[('not_signed', 'not signed for in time'), ('carrier_silent', 'carrier does not answer'), ('returned', 'parcel returned'), ('order_not_completed', 'signed for, order not completed'), ('account_silent', 'carrier account silent')], max_length=20, verbose_name='kind'),
        ),
        migrations.AlterField(
            model_name='shipmentexception',
            name='order',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to='orders.order', verbose_name='order'),
        ),
        migrations.AlterField(
            model_name='shipmentexception',
            name='shipment',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='exceptions', to='logistics.shipment', verbose_name='shipment'),
        ),
        migrations.AddConstraint(
            model_name='shipmentexception',
            constraint=models.UniqueConstraint(condition=models.Q(('resolved_at__isnull', True)), fields=('account',), name='account_exception_once'),
        ),
        migrations.AddConstraint(
            model_name='shipmentexception',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('account__isnull', False), ('kind', 'account_silent'), ('order__isnull', True), ('shipment__isnull', True)), models.Q(models.Q(('kind', 'account_silent'), _negated=True), ('account__isnull', True), ('order__isnull', False), ('shipment__isnull', False)), _connector='OR'), name='shipment_exception_about'),
        ),
        migrations.RunPython(count_from_now, migrations.RunPython.noop),
    ]
