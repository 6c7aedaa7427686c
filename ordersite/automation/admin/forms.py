"""The forms of the builder: the rule, its conditions and its actions, a row each; they need only clicking.

Without the page's script every row shows all of its inputs, and those that do not belong to its choice are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from orders.admin.risk_form import choose_merchant
from ordersite.automation.actions.interface import ActionParam
from ordersite.automation.actions.registry import ACTIONS
from ordersite.automation.admin.values import shown_value, typed_value
from ordersite.automation.catalogue.fields import FIELDS
from ordersite.automation.catalogue.kinds import OPERATOR_LABELS, OPERATORS, OperandForm, Operator, form_of
from ordersite.automation.catalogue.triggers import EVENTS, MOST_HOURS, SCHEDULES
from ordersite.automation.conditions import ALL, ANY, condition_of
from ordersite.automation.models.rule import MOST_AN_HOUR
from ordersite.lib.adminkit import fields
from ordersite.lib.errors import DomainError

MOST_GROUPS = 3
_MATCH = ((ALL, gettext_lazy("all of these hold")), (ANY, gettext_lazy("any of these holds")))
_NOTHING = ("", gettext_lazy("please choose"))


def _trigger_choices() -> list[Any]:
    return [
        _NOTHING,
        (_("when something happens"), list(EVENTS.items())),
        (_("by the clock"), [(one.key, one.label) for one in SCHEDULES.values()]),
    ]


class RuleForm(forms.Form):
    """Name, when, for which shop, how often at most, and whether all or any of the conditions must hold."""

    name = forms.CharField(label=gettext_lazy("name of the rule"), max_length=80, widget=fields.text_input())
    trigger = forms.ChoiceField(
        label=pgettext_lazy("rule", "when"), choices=_trigger_choices, widget=fields.select()
    )
    hours = forms.IntegerField(
        label=gettext_lazy("after how many hours"),
        required=False,
        min_value=1,
        max_value=MOST_HOURS,
        widget=fields.number_input(),
        help_text=gettext_lazy("Only for what goes by the clock."),
    )
    merchant = choose_merchant(gettext_lazy("Empty: every shop."))
    most_an_hour = forms.IntegerField(
        label=gettext_lazy("at most so often an hour"),
        min_value=1,
        max_value=MOST_AN_HOUR,
        initial=200,
        widget=fields.number_input(),
        help_text=gettext_lazy("A rule that would act more often is paused, and operations are alerted."),
    )
    match = forms.ChoiceField(
        label=pgettext_lazy("rule", "if"), choices=_MATCH, initial=ALL, widget=fields.select()
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("trigger") in SCHEDULES and not data.get("hours"):
            self.add_error("hours", _("Say after how many hours."))
        return data


def _field_choices() -> list[Any]:
    groups: dict[str, list[tuple[str, Any]]] = {}
    for field in FIELDS.values():
        groups.setdefault(str(field.group), []).append((field.key, field.label))
    return [_NOTHING, *groups.items()]


class ConditionForm(forms.Form):
    """One condition. A row without a field is left out. `block` 0 is the rule itself, others are groups in it."""

    field = forms.ChoiceField(
        label=gettext_lazy("what"), choices=_field_choices, required=False, widget=fields.select()
    )
    operator = forms.ChoiceField(
        label=gettext_lazy("compared how"),
        choices=[_NOTHING, *((str(key), label) for key, label in OPERATOR_LABELS.items())],
        required=False,
        widget=fields.select(),
    )
    value = forms.CharField(
        label=gettext_lazy("with what"), required=False, max_length=2_000, widget=fields.text_input()
    )
    value_to = forms.CharField(
        label=gettext_lazy("up to"), required=False, max_length=30, widget=fields.text_input()
    )
    block = forms.TypedChoiceField(
        label=gettext_lazy("belongs to"),
        choices=[
            (0, gettext_lazy("the rule itself")),
            *((n, gettext_lazy("group %s") % n) for n in range(1, MOST_GROUPS + 1)),
        ],
        coerce=int,
        required=False,
        initial=0,
        widget=fields.select(),
        help_text=gettext_lazy(
            "Of a group the other way holds: any where the rule wants all, and all where any."
        ),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        field = FIELDS.get(data.get("field", ""))
        if field is None:
            return data
        operator = data.get("operator") or ""
        if operator not in OPERATORS[field.kind]:
            raise ValidationError(_("Say how “%(field)s” is compared.") % {"field": field.label})
        try:
            value = typed_value(
                field, form_of(Operator(operator)), data.get("value", ""), data.get("value_to", "")
            )
            data["condition"] = condition_of(field.key, operator, value).as_json()
        except DomainError as refused:
            raise ValidationError(refused.message) from refused
        return data


class ActionForm(forms.Form):
    """One action with the parameters of every action; those of another than the chosen one are ignored."""

    action = forms.ChoiceField(label=pgettext_lazy("rule", "then"), required=False, widget=fields.select())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chooser = cast(forms.ChoiceField, self.fields["action"])
        chooser.choices = [_NOTHING, *((one.key, one.label) for one in ACTIONS.values())]
        for action in ACTIONS.values():
            for param in action.params:
                self.fields[f"{action.key}__{param.key}"] = _field_of(param)

    def parts(self) -> list[tuple[Any, list[Any]]]:
        """Each action with the inputs of its parameters, for the page."""
        return [
            (action, [self[f"{action.key}__{param.key}"] for param in action.params])
            for action in ACTIONS.values()
        ]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        action = ACTIONS.get(data.get("action", ""))
        if action is None:
            return data
        given = {param.key: data.get(f"{action.key}__{param.key}", "") for param in action.params}
        try:
            data["stored"] = {"action": action.key, "params": action.checked(given)}
        except DomainError as refused:
            raise ValidationError(refused.message) from refused
        return data


def _field_of(param: ActionParam) -> forms.Field:
    common: dict[str, Any] = {
        "label": param.label, "help_text": param.help_text, "required": False, "initial": param.default,
    }  # fmt: skip
    if param.choices is not None:
        choices = [_NOTHING, *param.choices()]
        return forms.ChoiceField(choices=choices, widget=fields.select(), **common)
    return forms.CharField(max_length=param.most, widget=fields.text_input(), **common)


ConditionRows = forms.formset_factory(ConditionForm, extra=1, max_num=20, validate_max=True)
ActionRows = forms.formset_factory(ActionForm, extra=1, max_num=10, validate_max=True)


def conditions_of(match: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The conditions in the form in which a version stores them, the groups behind the rule's own."""
    filled = [row for row in rows if row.get("condition")]
    items: list[Any] = [row["condition"] for row in filled if not row.get("block")]
    inner = ANY if match == ALL else ALL
    for number in range(1, MOST_GROUPS + 1):
        own = [row["condition"] for row in filled if row.get("block") == number]
        if own:
            items.append({"match": inner, "items": own})
    return {"match": match, "items": items}


def actions_of(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [row["stored"] for row in rows if row.get("stored")]


def condition_rows(stored: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What stands in the rows of a version's conditions."""
    return list(_condition_rows(stored, 0))


def _condition_rows(stored: Mapping[str, Any], block: int) -> Iterator[dict[str, Any]]:
    groups = 0
    for item in stored.get("items", ()):
        if "match" in item:
            groups += 1
            yield from _condition_rows(item, groups)
        elif item.get("field") in FIELDS:
            field = FIELDS[item["field"]]
            value = item["value"]
            is_span = form_of(Operator(item["operator"])) is OperandForm.TWO
            low, high = value if is_span else (value, "")
            yield {
                "field": field.key,
                "operator": item["operator"],
                "value": shown_value(field, low),
                "value_to": shown_value(field, high),
                "block": block,
            }


def action_rows(stored: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What stands in the rows of a version's actions."""
    return [
        {
            "action": one["action"],
            **{f"{one['action']}__{key}": value for key, value in one.get("params", {}).items()},
        }
        for one in stored
    ]
