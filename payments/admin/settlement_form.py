"""The form that proposes a manual settlement of a known order, and the statement lines that may prove it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from orders.models import Order
from ordersite.lib.money import LARGEST, display_amount
from payments.manual.evidence import Handed
from payments.manual.settle import Wish, proving_lines
from payments.models import PaymentAccount, PaymentException, Statement, StatementLine

MOST_LINES = 20
# Without a number only the lines of younger files are offered.
RECENT = timedelta(days=31)
_MOST_STATEMENTS = 100
Result = StatementLine.Result


class SettlementForm(forms.Form):
    account = forms.ModelChoiceField(
        PaymentAccount.objects.none(), label=_("payment account"), widget=UnfoldAdminSelectWidget
    )
    amount = forms.DecimalField(
        label=_("Amount received (yuan)"),
        max_digits=11,
        decimal_places=2,
        max_value=LARGEST,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    provider_reference = forms.CharField(
        label=_("provider's reference"),
        max_length=64,
        help_text=_("The provider's or the bank's number of this payment, as the evidence shows it."),
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    occurred_at = forms.DateTimeField(
        label=_("money arrived at"),
        required=False,
        help_text=_("As the evidence says, in the shop's time. Empty: now."),
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
    )
    statement_line = forms.TypedChoiceField(
        label=_("statement line"),
        required=False,
        coerce=int,
        empty_value=None,
        widget=UnfoldAdminRadioSelectWidget,
    )
    file = forms.FileField(
        label=_("evidence file"),
        required=False,
        help_text=_("A receipt or a screenshot: PDF, PNG or JPEG, up to 10 MB. Kept privately."),
        widget=forms.FileInput(attrs={"accept": ".pdf,.png,.jpg,.jpeg"}),
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=500, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, order: Order, lines: Sequence[StatementLine], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order = order
        accounts = PaymentAccount.objects.filter(merchant_id=order.merchant_id).order_by("slug")
        self.fields["account"].queryset = accounts  # type: ignore[attr-defined]
        self.fields["amount"].help_text = _("The order costs %(total)s.") % {
            "total": display_amount(order.total_amount)
        }
        choices = [("", _("none, a file proves it")), *((line.pk, line_label(line)) for line in lines)]
        self.fields["statement_line"].choices = choices  # type: ignore[attr-defined]
        if not lines:
            del self.fields["statement_line"]

    def wish(self, case: PaymentException | None) -> Wish:
        """Return the filled-in values as a `Wish`, which `payments.manual.settle` checks."""
        data = self.cleaned_data
        upload = data.get("file")
        return Wish(
            order_id=self.order.pk,
            account_id=data["account"].pk,
            amount=data["amount"],
            provider_reference=data["provider_reference"].strip(),
            reason=data["reason"],
            occurred_at=data["occurred_at"],
            statement_line_id=data.get("statement_line"),
            case_id=case.pk if case else None,
            files=[Handed(upload.name, upload)] if upload else [],
        )


def line_label(line: StatementLine) -> str:
    """Label a line by amount, time, number and account, to compare with the buyer's account of it."""
    at = timezone.localtime(line.occurred_at).strftime("%Y-%m-%d %H:%M:%S") if line.occurred_at else ""
    numbers = line.provider_reference or line.reference
    return " · ".join(filter(None, [display_amount(line.amount), at, numbers, line.account.slug]))


def fitting_lines(order: Order, term: str) -> list[StatementLine]:
    """Find unexplained payments in statements, newest first: by number if one is given, else by the order's amount."""
    lines = (
        StatementLine.objects.unexplained_payments()
        .filter(account__merchant_id=order.merchant_id)
        .select_related("account")
    )
    lines = lines.exclude(pk__in=proving_lines())
    if term:
        return list(lines.filter(Q(provider_reference=term) | Q(reference=term)).order_by("-pk")[:MOST_LINES])
    recent = Statement.objects.filter(
        account__merchant_id=order.merchant_id, created_at__gte=timezone.now() - RECENT
    )
    ids = list(recent.order_by("-pk").values_list("pk", flat=True)[:_MOST_STATEMENTS])
    of_the_sum = lines.filter(statement_id__in=ids, amount=order.total_amount)  # type: ignore[misc]  # speaks Decimal
    return list(of_the_sum.order_by("-pk")[:MOST_LINES])


def first_values(order: Order, case: PaymentException | None) -> dict[str, Any]:
    """Prefill the form: from the case, else the account of the order's latest attempt."""
    if case is not None:
        return {"account": case.account_id, "provider_reference": case.detail.get("provider_reference", "")}
    latest = order.payments.order_by("-pk").first()
    return {"account": latest.account_id if latest else None}
