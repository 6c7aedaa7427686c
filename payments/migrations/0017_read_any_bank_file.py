"""Mappings that leave to the file what they do not say, files that can be read again, and notes on lines.

The database's defaults serve processes of the version before, which run beside the new one during a deploy.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

import payments.models.statement_mapping

NEW_COLUMNS = {
    "amount_in_column": "column of money in",
    "amount_out_column": "column of money out",
    "status_column": "column of the state",
    "currency_column": "column of the currency",
}
COLUMNS = {
    "amount_column": "column of the amount",
    "time_column": "column of the time",
    "reference_column": "column of our number",
    "provider_reference_column": "column of their number",
    "refund_reference_column": "column of the refund's number",
    "kind_column": "column of the kind",
    "account_column": "column of the account's number",
}


def column(label):
    return models.CharField(blank=True, db_default="", default="", max_length=60, verbose_name=label)


class Migration(migrations.Migration):
    dependencies = [("payments", "0016_field_names")]

    operations = [
        *(
            migrations.AddField("statementmapping", name, column(label))
            for name, label in NEW_COLUMNS.items()
        ),
        *(migrations.AlterField("statementmapping", name, column(label)) for name, label in COLUMNS.items()),
        migrations.AddField(
            "statementmapping",
            "decimal_mark",
            models.CharField(
                blank=True,
                choices=[(".", "point"), (",", "comma")],
                db_default="",
                default="",
                max_length=1,
                verbose_name="decimal mark",
            ),
        ),
        migrations.AddField(
            "statementmapping",
            "currency",
            models.CharField(blank=True, db_default="", default="", max_length=3, verbose_name="currency"),
        ),
        migrations.AddField(
            "statementmapping",
            "payment_words",
            payments.models.statement_mapping.WordsField(
                blank=True,
                db_default="",
                default="",
                help_text="One a line.",
                verbose_name="words that mean a payment",
            ),
        ),
        migrations.AddField(
            "statementmapping",
            "ignored_words",
            payments.models.statement_mapping.WordsField(
                blank=True,
                db_default="",
                default="",
                help_text="One a line.",
                verbose_name="words of lines to leave out",
            ),
        ),
        migrations.AddField(
            "statementmapping",
            "status_words",
            payments.models.statement_mapping.WordsField(
                blank=True,
                db_default="",
                default="",
                help_text="One a line. Lines in any other state moved no money.",
                verbose_name="states that mean money",
            ),
        ),
        migrations.AlterField(
            "statementmapping",
            "refund_words",
            payments.models.statement_mapping.WordsField(
                blank=True,
                db_default="",
                default="",
                help_text="One a line. Without a kind column a negative amount is a refund.",
                verbose_name="words that mean a refund",
            ),
        ),
        migrations.AlterField(
            "statementmapping",
            "encoding",
            models.CharField(
                blank=True,
                choices=[
                    ("utf-8-sig", "UTF-8"),
                    ("gb18030", "GBK / GB18030"),
                    ("utf-16", "UTF-16"),
                    ("cp1252", "Windows-1252"),
                ],
                default="",
                max_length=10,
                verbose_name="encoding",
            ),
        ),
        migrations.AlterField(
            "statementmapping",
            "delimiter",
            models.CharField(
                blank=True,
                choices=[(",", "comma"), (";", "semicolon"), ("\t", "TAB"), ("|", "vertical bar")],
                default="",
                max_length=1,
                verbose_name="delimiter",
            ),
        ),
        migrations.AlterField(
            "statementmapping",
            "unit",
            models.CharField(
                blank=True,
                choices=[("yuan", "yuan"), ("fen", "fen")],
                default="",
                max_length=4,
                verbose_name="unit of amounts",
            ),
        ),
        migrations.AlterField(
            "statementmapping",
            "date_format",
            models.CharField(
                blank=True,
                default="",
                help_text="In the letters of strftime. Times are Beijing time.",
                max_length=40,
                validators=[payments.models.statement_mapping.check_time_form],
                verbose_name="form of times",
            ),
        ),
        migrations.AddField(
            "statement",
            "reading",
            models.CharField(db_default="", default="", editable=False, max_length=32),
        ),
        migrations.AddField(
            "statement",
            "superseded_by",
            models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="payments.statement",
                verbose_name="read again as",
            ),
        ),
        migrations.RemoveConstraint("statement", "statement_once"),
        migrations.AddConstraint(
            "statement",
            models.UniqueConstraint(
                fields=["account", "sha256", "reading"],
                name="statement_once",
                condition=~Q(status="refused") & Q(superseded_by__isnull=True),
            ),
        ),
        migrations.AddField(
            "statementline",
            "note",
            models.CharField(
                blank=True,
                choices=[
                    ("currency", "another currency than CNY"),
                    ("in_text", "our number was found inside a text"),
                    ("left_out", "left out: no buyer's money"),
                    ("read_again", "the file was read again by another mapping"),
                ],
                db_default="",
                default="",
                max_length=10,
                verbose_name="note",
            ),
        ),
    ]
