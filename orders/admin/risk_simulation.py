"""The page «What would it have done?»: a strategy with edited values over the attempts of the last seven days."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orders.admin.risk_form import WindowForm, choose_merchant, window_of, words_for_script
from orders.models import OrderStatus, RiskAction, RiskStrategy, StrategyKind
from orders.risk.strategies import StrategyRule
from orders.risk.tuning.past import MOST
from orders.risk.tuning.simulation import DAYS, Simulation, simulate
from orders.risk.tuning.wording import EXPLANATIONS, sentence
from ordersite.lib.adminkit import fields

MANAGE = "orders.manage_risk"
_URL = "orders_riskstrategy_simulation"


class SimulationForm(WindowForm):
    """What is tried; nothing of it is saved."""

    kind = forms.ChoiceField(label=_("kind"), choices=StrategyKind.choices, widget=fields.select())
    merchant = choose_merchant(help_text=_("Empty: every shop."))
    field_order = ("kind", "merchant", "window", "unit", "threshold")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["threshold"].widget.attrs["data-risk-words"] = words_for_script()

    def rule(self) -> StrategyRule:
        """The rule of the values given, which must be valid."""
        data = self.cleaned_data
        merchant_id = data["merchant"].pk if data["merchant"] else None
        return StrategyRule(
            "simulated", data["kind"], data["window_seconds"], data["threshold"], RiskAction.LOG, merchant_id
        )


def address_for(strategy: RiskStrategy) -> str:
    """The page's address with the values of a strategy in the form."""
    values = {
        "kind": strategy.kind,
        "merchant": strategy.merchant_id or "",
        "threshold": strategy.threshold,
        **window_of(strategy.window_seconds),
    }
    return f"{reverse(f'admin:{_URL}')}?{urlencode(values)}"


class SimulationMixin:
    """Adds the page to those of the strategies."""

    opts: Any
    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.simulation_view)
        return [path("simulation/", view, name=_URL), *super().get_urls()]  # type: ignore[misc]

    def simulation_view(self, request: HttpRequest) -> HttpResponse:
        """Show the form and what its values would have done. Changes nothing."""
        if not request.user.has_perm(MANAGE):
            raise PermissionDenied
        form = SimulationForm(request.GET if "kind" in request.GET else None)
        context = _result(form) if form.is_bound and form.is_valid() else {}
        frame = {
            **self.admin_site.each_context(request),
            "title": _("What would it have done?"),
            "opts": self.opts,
            "form": form,
            "most": MOST,
            "back": reverse("admin:orders_riskstrategy_changelist"),
        }
        return TemplateResponse(request, "admin/desk/risk_simulation.html", {**frame, **context})


def _result(form: SimulationForm) -> dict[str, Any]:
    rule = form.rule()
    found = simulate(rule, now=timezone.now())
    return {
        "found": found,
        "sentence": sentence(
            rule.kind, count=rule.threshold, seconds=rule.window_seconds, action=str(_("hit"))
        ),
        "explanation": EXPLANATIONS[rule.kind],
        "days": found.days(),
        "most_hits": max((hits for _day, hits in found.days()), default=0),
        "states": _states(found),
        "examples": [
            (example, OrderStatus(example.attempt.status).label if example.attempt.order_id else "")
            for example in reversed(found.examples)
        ],
        "days_asked": DAYS,
    }


def _states(found: Simulation) -> list[tuple[str, int]]:
    return [
        (str(OrderStatus(status).label), count) for status, count in found.hit_orders_by_status.most_common()
    ]
