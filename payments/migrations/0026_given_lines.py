"""Let each line of a statement name the case that it stands in, also the lines that have a case already."""

import django.db.models.deletion
from django.db import migrations, models


def link_known_cases(apps, schema_editor):
    lines = apps.get_model("payments", "StatementLine").objects
    cases = apps.get_model("payments", "PaymentException").objects.filter(kind="statement_difference")
    for pk, detail in cases.order_by("id").values_list("pk", "detail").iterator(2_000):
        if line := detail.get("statement_line"):
            lines.filter(pk=line).update(case_id=pk)


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0025_statement_stage'),
    ]

    operations = [
        migrations.AddField(
            model_name='statementline',
            name='case',
            field=models.ForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='payments.paymentexception', verbose_name='payment exception'),
        ),
        migrations.RunPython(link_known_cases, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='statementline',
            name='note',
            field=models.CharField(blank=True, choices=[('currency', 'another currency than CNY'), ('in_text', 'our number was found inside a text'), ('left_out', "left out: no buyer's money"), ('read_again', 'the file was read again by another mapping'), ('later', 'stands in another file')], db_default='', default='', max_length=10, verbose_name='note'),
        ),
        migrations.AddIndex(
            model_name='statementline',
            index=models.Index(condition=models.Q(('case__isnull', False)), fields=['case'], name='statement_line_case'),
        ),
        migrations.AddIndex(
            model_name='statementline',
            index=models.Index(condition=models.Q(('case__isnull', True), ('note', ''), ('outcome', ''), ('result', 'missing_there')), fields=['occurred_at'], name='statement_line_lacking'),
        ),
    ]
