"""Pages of risk strategies: what each does, how often it hit, and its switches. Each change is audited."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders.admin.risk_form import AddStrategyForm, TuneForm, initial_of, values_of
from orders.admin.risk_simulation import MANAGE, SimulationMixin, address_for
from orders.models import RiskAction, RiskStrategy, StrategyKind
from orders.risk.tuning import tune
from orders.risk.tuning.wording import EXPLANATIONS, sentence
from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.add_form import AddByFormMixin
from ordersite.lib.adminkit.confirmed import (
    Confirmed,
    ConfirmedActionsMixin,
    Lead,
    ReasonForm,
    log_action,
    person,
)
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin

# A hit more is as good as many: what an attack has written is not counted to its end.
MOST_HITS = 10_000
_HITS = (
    "(SELECT count(*) FROM (SELECT 1 FROM orders_intercept hit WHERE hit.strategy = orders_riskstrategy.slug"
    " AND hit.strategy <> '' AND hit.at >= %s LIMIT 10001) hits)"
)


def _switch_off(request: HttpRequest, strategy: RiskStrategy, _data: Mapping[str, Any]) -> Promise:
    tune.change(strategy.pk, {"is_enabled": False}, by=person(request))
    return _("The strategy is switched off.")


def _switch_on(request: HttpRequest, strategy: RiskStrategy, _data: Mapping[str, Any]) -> Promise:
    tune.change(strategy.pk, {"is_enabled": True}, by=person(request))
    return _("The strategy is switched on. It holds within two seconds in every process.")


def _refuse(request: HttpRequest, strategy: RiskStrategy, _data: Mapping[str, Any]) -> Promise:
    tune.change(strategy.pk, {"action": RiskAction.REFUSE}, by=person(request))
    return _("From now on the strategy refuses orders.")


def _change(request: HttpRequest, strategy: RiskStrategy, data: Mapping[str, Any]) -> Promise:
    tune.change(strategy.pk, values_of(data), by=person(request))
    return _("Saved. It holds within two seconds in every process.")


def _may_refuse(strategy: RiskStrategy) -> bool:
    return strategy.action != RiskAction.REFUSE and strategy.kind != StrategyKind.ATTEMPTS


_CONFIRMED = (
    Confirmed(
        "change",
        _("Change"),
        MANAGE,
        _("Try the values first: the page «What would it have done?» reckons them over the last seven days."),
        _change,
        form=TuneForm,
        initial=initial_of,
        icon="tune",
    ),
    Confirmed(
        "off",
        _("Switch off"),
        MANAGE,
        _("The strategy does nothing any more. What it holds stays held until a person releases it."),
        _switch_off,
        form=ReasonForm,
        fits=lambda strategy: strategy.is_enabled,
        icon="toggle_off",
    ),
    Confirmed(
        "on",
        _("Switch on"),
        MANAGE,
        _("The strategy judges every attempt to order again."),
        _switch_on,
        form=ReasonForm,
        fits=lambda strategy: not strategy.is_enabled,
        icon="toggle_on",
    ),
    Confirmed(
        "refuse",
        _("Refuse orders from now on"),
        MANAGE,
        _(
            "Whoever it hits cannot order: the shop gets 409 order_refused, and no order is made that a person could "
            "release. Honest buyers who share a device, an address or a line with others are turned away as well. "
            "Holding is milder: the order waits for a person."
        ),
        _refuse,
        form=ReasonForm,
        fits=_may_refuse,
        tone="bad",
        icon="block",
    ),
)


@admin.register(RiskStrategy)
class RiskStrategyAdmin(SimulationMixin, AddByFormMixin, ConfirmedActionsMixin, ReadOnlyAdmin):
    list_display = ("title", "in_words", "shop", "switch", "hits_day", "hits_week")
    list_filter = ("kind", "action", "is_enabled", "merchant")
    list_select_related = ("merchant",)
    ordering = ("id",)
    fields = ("kind_name", "in_words", "shop", "switch", "times", "hits_day", "hits_week", "watch_out")
    readonly_fields = fields
    confirmed = _CONFIRMED
    leads = (Lead("simulation", _("What would it have done?"), MANAGE, address_for, icon="science"),)
    add_by = AddStrategyForm
    add_title = _("Add a risk strategy")
    add_explain = _("It begins as a dry run: its hits are logged, and no order is touched.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MANAGE)

    def create(self, request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
        values = {**values_of(data), "kind": data["kind"], "merchant": data["merchant"]}
        strategy = tune.add(values, by=person(request))
        log_action(request, strategy, f"add: {data['reason']}")
        messages.success(request, str(_("The strategy is added.")))
        return HttpResponseRedirect(self.after_action(strategy))

    def get_queryset(self, request: HttpRequest) -> QuerySet[RiskStrategy]:
        """With the hits of a day and of a week, each counted by an index and no further than MOST_HITS."""
        now = timezone.now()
        return (
            super()
            .get_queryset(request)
            .annotate(
                day_hits=RawSQL(_HITS, [now - timedelta(days=1)]),
                week_hits=RawSQL(_HITS, [now - timedelta(days=7)]),
            )
        )

    def facts_of(self, row: RiskStrategy) -> SafeString:
        return badges.facts([(_("now"), self.in_words(row)), (_("merchant"), self.shop(row))])

    @admin.display(description=_("strategy"))
    def title(self, strategy: RiskStrategy) -> str:
        return str(strategy)

    @admin.display(description=_("kind"))
    def kind_name(self, strategy: RiskStrategy) -> str:
        return strategy.get_kind_display()

    @admin.display(description=_("in words"))
    def in_words(self, strategy: RiskStrategy) -> str:
        values = {"count": strategy.threshold, "seconds": strategy.window_seconds}
        return sentence(strategy.kind, action=strategy.action, **values)

    @admin.display(description=_("merchant"))
    def shop(self, strategy: RiskStrategy) -> str | SafeString:
        return strategy.merchant.name if strategy.merchant else badges.badge(_("every shop"))

    @admin.display(description=_("state"))
    def switch(self, strategy: RiskStrategy) -> SafeString:
        if not strategy.is_enabled:
            return badges.badge(_("off"), tone="plain")
        now = timezone.now()
        if strategy.active_until and strategy.active_until <= now:
            return badges.badge(_("over"), tone="plain")
        if strategy.active_from and strategy.active_from > now:
            return badges.badge(_("to come"), tone="moving")
        return (
            badges.badge(_("dry run"), tone="waiting")
            if strategy.is_dry_run
            else badges.badge(_("on"), tone="good")
        )

    @admin.display(description=_("in force"))
    def times(self, strategy: RiskStrategy) -> SafeString | Promise:
        if not strategy.active_from and not strategy.active_until:
            return pgettext_lazy("strategy", "always")
        start, end = (_moment(one) for one in (strategy.active_from, strategy.active_until))
        return format_html("{} – {}", start, end)

    @admin.display(description=_("hits in 24 hours"))
    def hits_day(self, strategy: RiskStrategy) -> SafeString:
        return _hits(strategy, strategy.day_hits, "day")  # type: ignore[attr-defined]

    @admin.display(description=_("hits in 7 days"))
    def hits_week(self, strategy: RiskStrategy) -> SafeString:
        return _hits(strategy, strategy.week_hits, "week")  # type: ignore[attr-defined]

    @admin.display(description=_("to bear in mind"))
    def watch_out(self, strategy: RiskStrategy) -> Promise:
        return EXPLANATIONS[strategy.kind]


def _hits(strategy: RiskStrategy, count: int, span: str) -> SafeString:
    """The number, as a link to the rows behind it."""
    text = f"{MOST_HITS:,}+" if count > MOST_HITS else f"{count:,}"
    query = urlencode({"strategy": strategy.slug, "since": span})
    address = f"{reverse('admin:orders_intercept_changelist')}?{query}"
    return format_html('<span class="os-money"><a class="os-link" href="{}">{}</a></span>', address, text)


def _moment(at: datetime | None) -> str:
    """In the shop's time; a side that is open is a dot row."""
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M") if at else "…"
