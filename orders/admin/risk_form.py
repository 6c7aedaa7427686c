"""Forms of the pages of risk strategies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from orders.models import Merchant, RiskAction, RiskStrategy, StrategyKind
from orders.models.risk_strategy import LONGEST_WINDOW, MOST
from orders.risk.tuning.wording import SENTENCES
from ordersite.lib.adminkit import fields
from ordersite.lib.adminkit.confirmed import ReasonForm

UNITS = ((1, _("seconds")), (60, _("minutes")), (3600, _("hours")))
# Whoever wants orders refused says so on a page of its own.
MILD = tuple((value, label) for value, label in RiskAction.choices if value != RiskAction.REFUSE)


def window_of(seconds: int) -> dict[str, int]:
    """The form's two fields of a window."""
    unit = max(unit for unit, _label in UNITS if seconds % unit == 0)
    return {"window": seconds // unit, "unit": unit}


def choose_merchant(help_text: Any) -> forms.ModelChoiceField:
    """A field for one shop or all."""
    shops = Merchant.objects.order_by("name")
    return forms.ModelChoiceField(
        shops, label=_("merchant"), required=False, widget=fields.select(), help_text=help_text
    )


class WindowForm(forms.Form):
    """A window and a threshold. `cleaned_data` gets `window_seconds`."""

    window = forms.IntegerField(
        label=_("window"), min_value=1, max_value=LONGEST_WINDOW, widget=fields.number_input()
    )
    unit = forms.TypedChoiceField(
        label=_("unit"), choices=UNITS, coerce=int, initial=60, widget=fields.select()
    )
    threshold = forms.IntegerField(
        label=_("threshold"),
        min_value=1,
        max_value=MOST,
        widget=fields.number_input(),
        help_text=_("So many attempts are all right; the next one is a hit."),
    )

    @property
    def media(self) -> forms.Media:
        """With the script that says the values in a sentence."""
        return super().media + forms.Media(js=("ordersite/risk.js",))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "window" in data and "unit" in data:
            data["window_seconds"] = data["window"] * data["unit"]
            if data["window_seconds"] > LONGEST_WINDOW:
                raise ValidationError(_("The window is a day at most."))
        return data


class _Moment(forms.DateTimeField):
    def __init__(self, **kwargs: Any) -> None:
        widget = UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"})
        super().__init__(required=False, widget=widget, **kwargs)
        self.widget.format = "%Y-%m-%dT%H:%M"


class TuneForm(WindowForm, ReasonForm):
    """What may be changed of a strategy. The sentence of its values is written by the script as somebody types."""

    action = forms.ChoiceField(label=_("what happens"), choices=MILD, widget=fields.select())
    is_dry_run = forms.BooleanField(
        label=_("dry run"),
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text=_("Its hits are logged, and nothing else happens. It stands beside the others."),
    )
    name = forms.CharField(label=_("name"), required=False, max_length=80, widget=fields.text_input())
    active_from = _Moment(label=_("in force from"), help_text=_("In the shop's time. Empty: from now on."))
    active_until = _Moment(
        label=_("in force until"),
        help_text=_(
            "With a time set, it takes the place of the strategies without one while it is in force."
        ),
    )
    field_order: Sequence[str] = (
        "window", "unit", "threshold", "action", "is_dry_run", "active_from", "active_until", "name", "reason",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.initial.get("action") == RiskAction.REFUSE:
            self.fields["action"].choices = RiskAction.choices  # type: ignore[attr-defined]
        attrs = self.fields["threshold"].widget.attrs
        attrs |= {"data-risk-words": words_for_script(), "data-risk-kind": self.initial.get("kind", "")}


class AddStrategyForm(TuneForm):
    """A new strategy. It begins as a dry run unless somebody wants otherwise."""

    kind = forms.ChoiceField(label=_("kind"), choices=StrategyKind.choices, widget=fields.select())
    merchant = choose_merchant(help_text=_("Empty: every shop that has no strategy of this kind of its own."))
    field_order = ("kind", "merchant", *TuneForm.field_order)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["is_dry_run"].initial = True


def values_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a form gives the strategy's row."""
    names = ("window_seconds", "threshold", "action", "is_dry_run", "name", "active_from", "active_until")
    return {name: data[name] for name in names}


def initial_of(strategy: RiskStrategy) -> dict[str, Any]:
    """What stands in the form of a strategy that is there."""
    kept = ("kind", "threshold", "action", "is_dry_run", "name", "active_from", "active_until")
    return {**window_of(strategy.window_seconds), **{name: getattr(strategy, name) for name in kept}}


def words_for_script() -> str:
    """The sentences of all kinds for the script, and its words for units, in the reader's language."""
    units = {
        1: [ngettext("%(count)d second", "%(count)d seconds", number) for number in (1, 2)],
        60: [ngettext("%(count)d minute", "%(count)d minutes", number) for number in (1, 2)],
        3600: [ngettext("%(count)d hour", "%(count)d hours", number) for number in (1, 2)],
    }
    words = {
        "title": gettext("In words: "),
        "hit": gettext("hit"),
        "kinds": {kind: str(text) for kind, text in SENTENCES.items()},
        "units": units,
    }
    return json.dumps(words, ensure_ascii=False)
