"""Mappings from the keys of a JSON file: checked key by key, and saved by a command with an audit entry.

What a file leaves out is blank in the mapping, and found out from each bank file that is read with it.
"""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from orders.approvals import server_changes
from ordersite.lib.errors import DomainError
from payments.models import StatementMapping
from payments.models.statement_mapping import words_of
from payments.reconciliation.readers.guess import FIELDS
from payments.reconciliation.readers.guess.draft import WORD_LISTS
from payments.reconciliation.readers.guess.words import key

# `skip_lines` is of mappings from before headers were found by their words.
KEYS = (*FIELDS, "skip_lines")
MAY_SETTLE = "payments.settle_statement"
MAX_WORD = 60
_ENCODINGS = {
    "utf-8": "utf-8-sig", "utf-8-sig": "utf-8-sig", "gbk": "gb18030", "gb2312": "gb18030", "gb18030": "gb18030",
    "utf-16": "utf-16", "utf-16-le": "utf-16", "utf-16-be": "utf-16", "cp1252": "cp1252", "iso8859-1": "cp1252",
}  # fmt: skip
_OTHER_NAMES = {
    "delimiter": {"tab": "\t", "\\t": "\t"},
    "unit": {"元": "yuan", "分": "fen"},
    "currency": {"RMB": "CNY", "人民币": "CNY"},
}


def save_on_server(name: str, given: Mapping[str, Any]) -> StatementMapping:
    """Make or replace the mapping of this name, with an audit entry and a mail to those who may settle.

    Raises `DomainError` (bad_mapping) that names the key; nothing is changed then.
    """
    values = checked(given)
    with transaction.atomic():
        old = StatementMapping.objects.select_for_update().filter(name=name).first()
        before = _shown(old) if old else {}
        mapping = old or StatementMapping(name=name)
        for field, value in {**_blank(), **values}.items():
            setattr(mapping, field, value)
        save(mapping)
        row = server_changes.Changed(StatementMapping._meta.db_table, mapping.pk, name)
        server_changes.note(row, before=before, after=_shown(mapping), permission=MAY_SETTLE)
    return mapping


def save(mapping: StatementMapping) -> None:
    """Save a mapping whose fields were checked one by one. Raises `DomainError` (bad_mapping)."""
    try:
        mapping.full_clean(validate_unique=mapping.pk is None)
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise _refused(_("'%(key)s': %(problem)s"), key=field, problem=" ".join(messages)) from error
    mapping.save()


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a mapping's columns for the keys of its file. Raises `DomainError` (bad_mapping)."""
    unknown = sorted(set(given) - set(KEYS))
    if unknown:
        raise _refused(
            _("There is no key '%(key)s'. Keys: %(keys)s."), key=unknown[0], keys=", ".join(FIELDS)
        )
    values = {name: _value(name, value) for name, value in given.items()}
    _check_amounts(values)
    _check_words(values)
    return values


def _value(name: str, value: Any) -> Any:
    if name in WORD_LISTS:
        return _words(name, value)
    if name == "skip_lines":
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1000:
            raise _refused(_("'%(key)s' is a number of lines."), key=name)
        return value
    if not isinstance(value, str):
        raise _refused(_("'%(key)s' is text in quotes."), key=name)
    if name == "delimiter" and value == "\t":
        return value
    return _known(name, value.strip())


def _known(name: str, text: str) -> str:
    """Return a text under the name that we keep it by; one of a field's choices where it has some."""
    if name == "encoding" and text:
        text = _encoding(text)
    text = _OTHER_NAMES.get(name, {}).get(text, text)
    field = StatementMapping._meta.get_field(name)
    choices = [str(choice) for choice, _label in getattr(field, "choices", None) or ()]
    if text and choices and text not in choices:
        shown = ", ".join(repr(choice) for choice in choices)
        raise _refused(
            _("'%(key)s' is one of %(choices)s, not '%(value)s'."), key=name, choices=shown, value=text
        )
    if name == "currency" and text and not (len(text) == 3 and text.isascii() and text.isupper()):
        raise _refused(
            _("'%(key)s' is a code of three letters such as CNY, not '%(value)s'."), key=name, value=text
        )
    return text


def _encoding(text: str) -> str:
    try:
        name = codecs.lookup(text).name
    except LookupError:
        name = text
    return _ENCODINGS.get(name, text)


def _words(name: str, value: Any) -> str:
    """One word may stand without a list around it."""
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) and word.strip() for word in words):
        raise _refused(_("'%(key)s' is a list of words."), key=name)
    long = next((word for word in words if len(word) > MAX_WORD or "\n" in word), None)
    if long is not None:
        raise _refused(_("'%(key)s': '%(value)s' is no word of a table."), key=name, value=long[:80])
    return stored(words)


def stored(words: Iterable[str]) -> str:
    """Return a list of words as a mapping holds it, one a line."""
    return "".join(f"{word.strip()}\n" for word in words)


def _check_amounts(values: Mapping[str, Any]) -> None:
    if values.get("amount_column") and (values.get("amount_in_column") or values.get("amount_out_column")):
        raise _refused(
            _("Give 'amount_column', or 'amount_in_column' and 'amount_out_column', not all of them.")
        )


def _check_words(values: Mapping[str, Any]) -> None:
    """A word of kind means one thing."""
    for one, other in itertools.combinations(WORD_LISTS[:3], 2):
        both = set(map(key, words_of(values.get(one, "")))) & set(map(key, words_of(values.get(other, ""))))
        if both:
            raise _refused(
                _("'%(value)s' stands in '%(key)s' and in '%(other)s'."),
                value=both.pop(),
                key=one,
                other=other,
            )


def _blank() -> dict[str, Any]:
    return {**dict.fromkeys(FIELDS, ""), "skip_lines": 0}


def _shown(mapping: StatementMapping) -> dict[str, str]:
    """The values that say something, as an auditor reads them."""
    said = {}
    for name in FIELDS:
        value = getattr(mapping, name)
        said[name] = ", ".join(sorted(words_of(value))) if name in WORD_LISTS else str(value)
    return {name: value for name, value in said.items() if value}


def _refused(message: str | Promise, **params: Any) -> DomainError:
    return DomainError("bad_mapping", message, **params)
