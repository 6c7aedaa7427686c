"""The form of the reading page: each field of a mapping as a list of what the file has, filled with what was recognised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as gettext_now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ordersite.lib.adminkit import fields
from payments.admin.reading.labels import KINDS, STATES, explain, time_choices
from payments.models import StatementMapping
from payments.reconciliation.mapping_file import stored
from payments.reconciliation.readers.guess import NONE, Doubt, FileMapping
from payments.reconciliation.readers.guess.draft import COLUMNS
from payments.reconciliation.readers.guess.kinds import is_paid
from payments.reconciliation.readers.guess.words import key
from payments.reconciliation.sample import Sample

KIND, STATE = "kind:", "state:"
MOST_WORDS = 40
_NONE: tuple[tuple[str, str | Promise], ...] = ((NONE, pgettext_lazy("column", "– none –")),)
_GROUPS: tuple[tuple[str | Promise, tuple[str, ...]], ...] = (
    (pgettext_lazy("mapping", "Time"), ("time_column", "date_format")),
    (
        pgettext_lazy("mapping", "Amount"),
        ("amount_ways", "amount_column", "amount_in_column", "amount_out_column", "unit", "decimal_mark"),
    ),
    (
        pgettext_lazy("mapping", "Numbers"),
        ("reference_column", "provider_reference_column", "refund_reference_column"),
    ),
    (pgettext_lazy("mapping", "Kind and state"), ("kind_column", "status_column", "currency_column")),
    (pgettext_lazy("mapping", "File"), ("encoding", "delimiter", "account_column", "account_value")),
)  # fmt: skip
SHAPE = ("encoding", "delimiter")


def chosen_in(data: QueryDict) -> FileMapping:
    """Return what a person has chosen so far; what depends on a choice that changed is left to be recognised anew."""
    names = (*COLUMNS, *SHAPE, "unit", "decimal_mark", "account_value")
    values: dict[str, Any] = {name: data.get(name, "").strip(" ") for name in names}
    one_amount = data.get("amount_ways") != "two"
    for name in ("amount_in_column", "amount_out_column") if one_amount else ("amount_column",):
        values[name] = ""
    if data.get("shown_time_column") == values["time_column"]:
        values["date_format"] = data.get("date_format", "")
    if data.get("shown_kind_column") == values["kind_column"]:
        values |= {name: tuple(_with(data, KIND, name)) for name in KINDS}
    if data.get("shown_status_column") == values["status_column"]:
        values["status_words"] = tuple(_with(data, STATE, "paid"))
    return FileMapping(**values)


def _with(data: QueryDict, prefix: str, meaning: str) -> Iterator[str]:
    return (name.removeprefix(prefix) for name in data if name.startswith(prefix) and data[name] == meaning)


class ReadingForm(forms.Form):
    """The fields of a mapping over a sample of its file. `mapping` is what a valid form says."""

    use_required_attribute = False  # what is not chosen yet may be looked at
    name = forms.CharField(label=_("name of the mapping"), max_length=60, widget=fields.text_input())
    replace = forms.BooleanField(label=_("replace the mapping of this name"), required=False)

    def __init__(self, data: QueryDict | None, *, sample: Sample, name: str) -> None:
        self.sample = sample
        self.found = sample.found
        self.needs_replace = False
        super().__init__(None, initial={"name": name})
        self.fields["name"].help_text = _("Tomorrow's file of this bank is read with it at once.")
        two = data.get("amount_ways") == "two" if data else bool(self.found.amount_in_column)
        self._add_choices("two" if two else "one")
        self._add_words(data or {})
        if data is not None:
            self.is_bound = True
            self.data = self._shown(data)

    def _shown(self, data: QueryDict) -> dict[str, Any]:
        """The form says what the lines below it are read by: what was chosen, and what was recognised beside it."""
        kept = {name: data[name] for name in ("name", "replace") if name in data}
        return {**{name: field.initial or "" for name, field in self.fields.items()}, **kept}

    # Fields

    def _add_choices(self, amount_ways: str) -> None:
        found, model = self.found, StatementMapping
        columns = [(name, name) for name in dict.fromkeys(self.sample.guess.names) if name]
        for name in COLUMNS:
            self._add(name, [*_NONE, *columns], getattr(found, name) or NONE)
        ways = (("one", _("one column")), ("two", _("two columns, in and out")))
        self._add("amount_ways", ways, amount_ways, label=_("amounts stand in"))
        self._add(
            "date_format", time_choices(self.sample.guess.moments, found.date_format), found.date_format
        )
        for name, choices in (("unit", model.Unit.choices), ("decimal_mark", model.DecimalMark.choices)):
            self._add(name, choices, getattr(found, name))
        if not self.sample.is_workbook:
            self._add("encoding", model.Encoding.choices, self.sample.encoding)
            self._add("delimiter", model.Delimiter.choices, self.sample.delimiter)
        self.fields["account_value"] = forms.CharField(
            label=model._meta.get_field("account_value").verbose_name,
            required=False,
            max_length=60,
            initial=found.account_value,
            widget=fields.text_input(),
        )
        # A workbook's true dates need no form.
        self.fields["date_format"].required = bool(self.sample.guess.moments)

    def _add(self, name: str, choices: Iterable[Any], initial: str, *, label: str | Promise = "") -> None:
        model: Any = StatementMapping
        given: Any = label or model._meta.get_field(name).verbose_name
        self.fields[name] = forms.ChoiceField(
            label=given, choices=list(choices), initial=initial, required=True, widget=fields.select()
        )

    def _add_words(self, data: Mapping[str, Any]) -> None:
        found = self.found
        for word in self._found_words(found.kind_column):
            meanings = [name for name in KINDS if key(word) in set(map(key, getattr(found, name)))]
            self._add(KIND + word, [("", "…"), *KINDS.items()], (meanings or [""])[0], label=word)
        paid = set(map(key, found.status_words))
        for word in self._found_words(found.status_column):
            is_known = is_paid(word) is not None
            meaning = "paid" if key(word) in paid else "unpaid" if is_known else data.get(STATE + word, "")
            self._add(STATE + word, [("", "…"), *STATES.items()], meaning, label=word)

    def _found_words(self, column: str) -> dict[str, int]:
        """The words of a column, the commonest first; a column of texts has more than anybody wants to sort."""
        return dict(islice(self.sample.guess.words.get(column, {}).items(), MOST_WORDS))

    # Checks

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        two = values.get("amount_ways") == "two"
        amounts = ("amount_in_column", "amount_out_column") if two else ("amount_column",)
        for name in ("time_column", *amounts):
            if values.get(name) == NONE:
                self.add_error(name, _("Choose the column."))
        states = [values.get(name) for name in self.fields if name.startswith(STATE)]
        if states and "paid" not in states:
            self.add_error("status_column", _("No state means that money moved: choose one, or no column."))
        self._check_name(values.get("name", ""))
        return values

    def _check_name(self, name: str) -> None:
        known = StatementMapping.objects.filter(name=name).first()
        self.needs_replace = known is not None
        if known and not self.cleaned_data.get("replace"):
            text = gettext_now("There is a mapping of this name. Choose another name, or replace it.")
            self.add_error("name", text)

    # What it says

    def mapping(self) -> StatementMapping:
        """Return the mapping that a valid form says, not saved; what the file itself tells stays blank."""
        values = self.cleaned_data
        mapping = StatementMapping.objects.filter(name=values["name"]).first() or StatementMapping()
        mapping.name = values["name"]
        mapping.skip_lines = 0
        mapping.currency = self.found.currency
        for name in ("date_format", "unit", "decimal_mark", "account_value"):
            setattr(mapping, name, values.get(name) or "")
        for name in SHAPE:
            own = getattr(self.sample, f"own_{name}")
            setattr(mapping, name, "" if values.get(name, own) == own else values[name])
        self._set_columns(mapping, values)
        self._set_words(mapping, values)
        return mapping

    def _set_columns(self, mapping: StatementMapping, values: Mapping[str, Any]) -> None:
        """No column where one would be recognised has to be said; where none would be, blank says it."""
        two = values["amount_ways"] == "two"
        unused = ("amount_column",) if two else ("amount_in_column", "amount_out_column")
        for name in COLUMNS:
            value = values[name] if name not in unused else NONE
            is_said = value != NONE or (getattr(self.sample.own, name) and name not in unused)
            setattr(mapping, name, value if is_said else "")

    def _set_words(self, mapping: StatementMapping, values: Mapping[str, Any]) -> None:
        for name in KINDS:
            setattr(mapping, name, stored(self._meaning(values, KIND, name)))
        mapping.status_words = stored(self._meaning(values, STATE, "paid"))

    @staticmethod
    def _meaning(values: Mapping[str, Any], prefix: str, meaning: str) -> list[str]:
        given = (one for one in values if one.startswith(prefix) and values[one] == meaning)
        return sorted(one.removeprefix(prefix) for one in given)

    # What the page shows

    def groups(self) -> Iterator[tuple[str | Promise, list[tuple[forms.BoundField, str, bool]]]]:
        """The fields in groups: each with its doubt and whether it was recognised."""
        for title, names in _GROUPS:
            shown = [
                (self[name], self._doubt(name), name in self.sample.guess.guessed)
                for name in names
                if name in self.fields
            ]
            yield title, shown

    def _doubt(self, name: str) -> str:
        doubt: Doubt | None = self.sample.doubts.get(name)
        return explain(doubt) if doubt else ""

    def kind_words(self) -> list[tuple[forms.BoundField, int]]:
        return self._words(KIND, self.found.kind_column)

    def state_words(self) -> list[tuple[forms.BoundField, int]]:
        return self._words(STATE, self.found.status_column)

    def _words(self, prefix: str, column: str) -> list[tuple[forms.BoundField, int]]:
        return [(self[prefix + word], number) for word, number in self._found_words(column).items()]
