"""The admin pages of payment cases: the work queue, and the remedies that a case offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanWidget

from orders.labels import note_label
from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.cases import CaseAdmin, resolve_action, take_action
from ordersite.lib.adminkit.confirmed import ActionReply, Confirmed, Lead, ReasonForm, person
from ordersite.lib.adminkit.queues import OpenCasesFilter, is_open
from ordersite.lib.adminkit.read_only import ReadOnlyInline
from ordersite.lib.adminkit.search import column, order_number, row_id
from payments.about.case_detail import detail_rows
from payments.admin.payment import query_from_page
from payments.cases import desk, remedies
from payments.cases.errors import remedy_gone
from payments.manual import revive
from payments.manual.revive import REVIVAL
from payments.manual.settle import SETTLEMENT
from payments.models import Payment, PaymentException, PaymentExceptionStep
from payments.notifications.replay import replay
from payments.refunds.approval import REFUND
from payments.refunds.request import request_refund

RESOLVE = "payments.resolve_paymentexception"
REPLAY = "payments.replay_paymentnotification"
Action = PaymentExceptionStep.Action
# Choices of the filter by age.
AGES = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "3d": timedelta(days=3)}


class ColleagueField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.get_full_name()} {obj.get_username()}".strip()


class AssignForm(forms.Form):
    """Choose the colleague that a case is assigned to: anybody with the right to resolve cases."""

    colleague = ColleagueField(User.objects.none(), label=_("colleague"), widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        able = User.objects.with_perm(RESOLVE, backend="django.contrib.auth.backends.ModelBackend")
        self.fields["colleague"].queryset = able.filter(is_staff=True).order_by("username")  # type: ignore[attr-defined]


class RevivalForm(ReasonForm):
    stock_confirmed = forms.BooleanField(
        label=_("I have made sure that the goods are in stock"), widget=UnfoldBooleanWidget
    )


def _resolve(request: HttpRequest, case: PaymentException, data: Mapping[str, Any]) -> Promise:
    desk.resolve(case, user=person(request), note=data["reason"])
    return _("The case is resolved.")


def _take(request: HttpRequest, case: PaymentException, _data: Mapping[str, Any]) -> Promise:
    user = person(request)
    desk.assign(case, user=user, to=user)
    return _("The case is yours.")


def _assign(request: HttpRequest, case: PaymentException, data: Mapping[str, Any]) -> str:
    desk.assign(case, user=person(request), to=data["colleague"])
    return gettext("The case is with %(name)s now.") % {"name": data["colleague"].get_username()}


def _money_of(case: PaymentException, fits: Callable[[PaymentException], bool]) -> Payment:
    """Return the payment of a case, after checking again that the remedy still fits. Raises `DomainError` remedy_gone."""
    if not fits(case) or case.payment is None:
        raise remedy_gone()
    return case.payment


def _refund(request: HttpRequest, case: PaymentException, data: Mapping[str, Any]) -> Promise:
    user, payment = person(request), _money_of(case, remedies.can_refund)
    made = request_refund(payment.pk, payment.refundable_amount, actor_user=user, reason=data["reason"])
    desk.add_step(case.pk, Action.REFUND_REQUESTED, user_id=user.pk, note=made.reference)
    return _("The refund is requested. The case ends by itself when the provider has confirmed it.")


def _revive(request: HttpRequest, case: PaymentException, data: Mapping[str, Any]) -> Promise:
    revive.propose(
        _money_of(case, remedies.can_revive).pk,
        user=person(request),
        reason=data["reason"],
        stock_confirmed=data["stock_confirmed"],
        case_id=case.pk,
    )
    return _("Proposed. The order stays closed until a second person has approved it.")


def _replay(request: HttpRequest, case: PaymentException, _data: Mapping[str, Any]) -> Promise:
    user = person(request)
    if not remedies.can_replay(case) or case.notification_id is None:
        raise remedy_gone()
    desk.add_step(case.pk, Action.REPLAYED, user_id=user.pk)
    replay([case.notification_id], actor=user.get_username(), user_id=user.pk)
    return _("The notification is in the queue again. What is still wrong makes a new case.")


def _query(request: HttpRequest, case: PaymentException, _data: Mapping[str, Any]) -> ActionReply:
    reply, is_queried = query_from_page(_money_of(case, remedies.can_query))
    if is_queried:
        desk.add_step(case.pk, Action.QUERIED, user_id=person(request).pk)
    return reply


class OwnerFilter(admin.SimpleListFilter):
    title = _("owner")
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("me", _("mine")), ("nobody", _("nobody's")), ("others", _("a colleague's"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        owned = queryset.filter(owner__isnull=False)
        return {
            "me": queryset.filter(owner_id=request.user.pk),
            "nobody": queryset.filter(owner__isnull=True),
            "others": owned.exclude(owner_id=request.user.pk),
        }.get(self.value() or "", queryset)


class AgeFilter(admin.SimpleListFilter):
    title = _("age")
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("1h", _("more than an hour")),
            ("1d", _("more than a day")),
            ("3d", _("more than three days")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        age = AGES.get(self.value() or "")
        return queryset.filter(created_at__lt=timezone.now() - age) if age else queryset


class StepInline(ReadOnlyInline):
    model = PaymentExceptionStep
    fields = ("when", "who", "action", "note")
    readonly_fields = ("when", "who", "note")
    verbose_name_plural = _("What was done")

    @admin.display(description=_("time"))
    def when(self, step: PaymentExceptionStep) -> SafeString:
        return badges.ago(step.at)

    @admin.display(description=_("who"))
    def who(self, step: PaymentExceptionStep) -> str:
        return str(step.user) if step.user else gettext("by itself")

    @admin.display(description=_("note"))
    def note(self, step: PaymentExceptionStep) -> str:
        """Show a person's note unchanged, and one of the product in the reader's language."""
        return note_label(step.note) or "–"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("user")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Show the steps to everybody who may see the case."""
        return bool(request.user.has_perm("payments.view_paymentexception"))


@admin.register(PaymentException)
class PaymentExceptionAdmin(CaseAdmin):
    sum = columns.amount()
    list_display = ("name", "order_link", "account", "sum", "raised", "owner", "state")
    list_filter = (OpenCasesFilter, "kind", OwnerFilter, AgeFilter, "account")
    list_select_related = ("order", "account", "owner", "payment")
    search_fields = ("order__number",)
    search_help_text = _("Order number, merchant reference or #case")
    shapes = (
        row_id(),
        order_number(),
        column(r"[0-9A-Z]{16,32}", "payment__reference", "notification__reference"),
    )
    fields = (
        "kind", "advice", "account", "order", "payment", "notification", "sum", "details", "created_at", "owner",
        "resolved_at", "resolved_by", "outcome",
    )  # fmt: skip
    readonly_fields = ("advice", "sum", "details", "outcome")
    inlines = (StepInline,)
    leads = (
        Lead(
            "settle",
            _("Propose a manual settlement"),
            SETTLEMENT.may_propose,
            lambda case: f"{reverse('admin:payments_settlementrequest_add')}?case={case.pk}",
            fits=remedies.can_settle,
            icon="add_card",
        ),
    )
    confirmed = (
        Confirmed(
            "refund",
            _("Refund it"),
            REFUND.may_propose,
            _(
                "What is left of this payment is refunded through the provider. Above your limit a second person approves."
            ),
            _refund,
            form=ReasonForm,
            fits=remedies.can_refund,
            tone="bad",
            icon="undo",
        ),
        Confirmed(
            "revive",
            _("Propose to revive the order"),
            REVIVAL.may_propose,
            _("The order would be paid by this money and go to the warehouse. A second person decides."),
            _revive,
            form=RevivalForm,
            fits=remedies.can_revive,
            icon="restart_alt",
        ),
        Confirmed(
            "replay",
            _("Replay the notification"),
            REPLAY,
            _(
                "The stored call is checked and applied again, for when the cause was put right. It resolves this case."
            ),
            _replay,
            fits=remedies.can_replay,
            icon="replay",
        ),
        Confirmed(
            "ask",
            _("Query the provider"),
            REPLAY,
            _("The provider is queried for this payment. If the money is there, the order is paid."),
            _query,
            fits=remedies.can_query,
            icon="contact_support",
            is_harmless=True,
        ),
        take_action(RESOLVE, _take),
        Confirmed(
            "assign",
            pgettext_lazy("case", "Give to a colleague"),
            RESOLVE,
            _("The colleague becomes the owner of this case."),
            _assign,
            form=AssignForm,
            fits=is_open,
            icon="move_item",
        ),
        resolve_action(RESOLVE, _resolve),
    )

    def facts_of(self, row: PaymentException) -> SafeString:
        return badges.facts(
            [
                (_("order"), row.order.number if row.order else ""),
                (_("amount"), badges.money(row.amount) if row.amount is not None else ""),
                (_("payment account"), row.account or ""),
                (_("age"), badges.lasting(row.created_at, row.resolved_at)),
            ]
        )

    @admin.display(description=_("what to do"))
    def advice(self, case: PaymentException) -> SafeString:
        return format_html('<p class="os-advice">{}</p>', remedies.what_to_do(case))

    @admin.display(description=_("detail"))
    def details(self, case: PaymentException) -> SafeString:
        return badges.facts(detail_rows(case))

    @admin.display(description=_("resolution"))
    def outcome(self, case: PaymentException) -> str:
        """Show a person's note unchanged, and a resolution of the product in the reader's language."""
        return note_label(case.resolution) or "–"
