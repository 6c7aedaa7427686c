"""What counts as a text, and what counts as translated."""

from __future__ import annotations

from pathlib import Path

import polib
import pytest

from scripts.translations import missing, problems_of, texts_of_python, texts_of_template

PYTHON = """
from django.utils.translation import gettext_lazy as _, pgettext
label = _("Waybill " "number")
other = pgettext("money", "Refund")
plain = print("not a text")
"""
TEMPLATE = """{% load i18n %}<h1>{% translate "Orders" %}</h1>
{% blocktranslate with n=order.number trimmed %}
  Order {{ n }} is paid.
{% endblocktranslate %}{{ _("Paid") }}"""


def test_texts_of_python_code() -> None:
    assert list(texts_of_python(PYTHON)) == [("", "Waybill number"), ("money", "Refund")]


def test_texts_of_a_template() -> None:
    assert set(texts_of_template(TEMPLATE)) == {("", "Orders"), ("", "Order %(n)s is paid."), ("", "Paid")}


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (polib.POEntry(msgid="Paid", msgstr="已支付"), ""),
        (polib.POEntry(msgid="Paid", msgstr=""), "is empty"),
        (polib.POEntry(msgid="Paid", msgstr="已支付", flags=["fuzzy"]), "is fuzzy"),
        (polib.POEntry(msgid="%(n)s left", msgstr="剩余"), "misses a blank of the source"),
        (polib.POEntry(msgid="%(n)s left", msgstr="剩余 %(m)s"), "has a blank that the source has not"),
        (polib.POEntry(msgid="%(n)s row", msgid_plural="%(n)s rows", msgstr_plural={0: "%(n)s 行"}), ""),
        (
            polib.POEntry(msgid="x", msgstr="已通过,已更新"),
            "has narrow punctuation beside a Chinese character",
        ),
        (polib.POEntry(msgid="x", msgstr="限额(元)"), "has narrow punctuation beside a Chinese character"),
        (polib.POEntry(msgid="%(n)s by 14:00", msgstr="在 14:00 之前，共 %(n)s 笔"), ""),
    ],
)
def test_problems_of_a_translation(entry: polib.POEntry, problem: str) -> None:
    assert problems_of(entry) == problem


def test_missing_text_is_named_with_its_file(tmp_path: Path) -> None:
    catalogue = polib.POFile()
    catalogue.append(polib.POEntry(msgid="Paid", msgstr="已支付"))
    catalogue.save(str(tmp_path / "django.po"))

    lines = missing(tmp_path / "django.po", {("", "Paid"): "a.py", ("", "Held"): "b.html"})

    assert lines == ["b.html: 'Held' is not in it"]
