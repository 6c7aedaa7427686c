"""Admin pages of manual settlements: proposed with evidence by one person, reviewed by another."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from orders.admin.review import ReviewFilter
from orders.models import Order
from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.confirmed import log_action, person
from ordersite.lib.adminkit.search import column, order_number, row_id, row_number
from ordersite.lib.errors import DomainError
from ordersite.lib.files import private
from payments.admin.approvals import MoneyProposalAdmin, actions
from payments.admin.settlement_form import SettlementForm, first_values, fitting_lines, line_label
from payments.manual import settle
from payments.manual.settle import SETTLEMENT
from payments.models import PaymentException, SettlementFile, SettlementRequest

FILES = "payments.view_settlementfile"


@admin.register(SettlementRequest)
class SettlementRequestAdmin(MoneyProposalAdmin):
    list_display = (
        "row",
        "order_link",
        "sum",
        "account",
        "provider_reference",
        "proposer",
        "age",
        "state",
        "decided_by",
    )
    list_filter = (ReviewFilter, "account")
    list_select_related = ("order__merchant", "account", "proposer", "decided_by")
    search_fields = ("order__number",)
    search_help_text = _("Order number, provider's reference or #request")
    shapes = (
        row_id(),
        order_number(),
        column(r"[0-9A-Za-z_-]{6,64}", "provider_reference"),
    )
    fields = (
        "order_link", "order_state", "sum", "account", "provider_reference", "occurred_at", "line", "evidence", "reason",
        "proposer", "age", "state", "decided_by", "decided", "decision_note", "payment_link", "case_link",
    )  # fmt: skip
    readonly_fields = (
        "order_link", "order_state", "sum", "line", "evidence", "age", "state", "decided", "payment_link", "case_link",
    )  # fmt: skip
    kind = SETTLEMENT
    confirmed = actions(SETTLEMENT)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.file_view)
        own = path("<int:object_id>/file/<int:file_id>/", view, name="payments_settlementrequest_file")
        return [own, *super().get_urls()]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(SETTLEMENT.may_propose))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the search for an order, then the form of its evidence. A refused proposal is shown in the form."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        case = _case(request)
        number = _term(request, "order")
        order = _order(number, case)
        if order is None:
            return self._page(request, {"missing": number, "case": case})
        try:
            settle.check_payable(order)
        except DomainError as refused:
            return self._page(request, {"refused": refused.message, "case": case})
        term = _term(request, "line")
        lines = fitting_lines(order, term)
        form = SettlementForm(
            *([request.POST, request.FILES] if request.method == "POST" else []),
            order=order,
            lines=lines,
            initial=first_values(order, case),
        )
        if request.method == "POST" and form.is_valid():
            try:
                return self._propose(request, form, case)
            except DomainError as refused:
                form.add_error(None, refused.message)
        return self._page(request, {"form": form, "order": order, "case": case, "term": term, "lines": lines})

    def _propose(
        self, request: HttpRequest, form: SettlementForm, case: PaymentException | None
    ) -> HttpResponse:
        made = settle.propose(form.wish(case), user=person(request))
        log_action(request, made, "propose")
        messages.success(request, _("Proposed. Nothing is settled before a second person has approved it."))
        return HttpResponseRedirect(self.after_action(made))

    def _page(self, request: HttpRequest, context: dict[str, Any]) -> TemplateResponse:
        frame = {
            **self.admin_site.each_context(request),
            "title": _("Manual settlement"),
            "opts": self.opts,
            "back": reverse("admin:payments_settlementrequest_changelist"),
        }
        return TemplateResponse(request, "admin/desk/settle.html", {**frame, **context})

    def file_view(self, request: HttpRequest, object_id: int, file_id: int) -> HttpResponseBase:
        """Send an evidence file as a download. Needs the right to view settlement files."""
        if not (self.has_view_permission(request) and request.user.has_perm(FILES)):
            raise PermissionDenied
        file = SettlementFile.objects.filter(pk=file_id, request_id=object_id).first()
        if file is None:
            raise Http404
        try:
            return private.attachment(file.stored_name, file.file_name)
        except FileNotFoundError as gone:
            raise Http404 from gone

    def facts_before_deciding(self, proposal: SettlementRequest) -> list[tuple[str | Promise, object]]:
        return [
            *super().facts_before_deciding(proposal),
            (_("payment account"), proposal.account),
            (_("provider's reference"), proposal.provider_reference),
            (_("statement line"), self.line(proposal)),
            (_("evidence files"), self.evidence(proposal)),
        ]

    @admin.display(description=_("statement line"))
    def line(self, proposal: SettlementRequest) -> str | SafeString:
        return line_label(proposal.statement_line) if proposal.statement_line else badges.NOTHING

    @admin.display(description=_("evidence files"))
    def evidence(self, proposal: SettlementRequest) -> SafeString:
        files = [
            (reverse("admin:payments_settlementrequest_file", args=[proposal.pk, file.pk]), file.file_name)
            for file in proposal.files.order_by("pk")
        ]
        links = format_html_join(" · ", '<a class="os-link" href="{}">{}</a>', files)
        return links or badges.NOTHING

    @admin.display(description=_("payment"))
    def payment_link(self, proposal: SettlementRequest) -> SafeString:
        if proposal.payment is None:
            return badges.NOTHING
        return badges.link(proposal.payment.reference, "admin:payments_payment_change", proposal.payment_id)


def _order(number: str, case: PaymentException | None) -> Order | None:
    """Find the order by the number typed in, else take that of the case."""
    if number:
        return Order.objects.filter(number=number.upper()).select_related("merchant").first()
    return case.order if case else None


def _term(request: HttpRequest, name: str) -> str:
    """Return a search term without NUL, which the database refuses, cut to 64 characters."""
    return request.GET.get(name, "").replace("\0", "").strip()[:64]


def _case(request: HttpRequest) -> PaymentException | None:
    """Return the open case that the page was opened from, if any."""
    number = row_number(request.GET.get("case", ""))
    if number is None:
        return None
    return PaymentException.objects.open().filter(pk=number).select_related("order").first()
