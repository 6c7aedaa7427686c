"""The statement wizard: hand a file in, look at what it comes to, confirm, see the result of each line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget

from orders.models import Order
from ordersite.lib.adminkit import badges, columns, fields
from ordersite.lib.adminkit.add_form import AddByFormMixin
from ordersite.lib.adminkit.confirmed import (
    Confirmed,
    log_action,
    person,
)
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.errors import DomainError
from ordersite.lib.files.csv_export import csv_download
from payments.admin.reading.page import ReadingPageMixin
from payments.admin.settling.hand_over import (
    ACTIONS,
    SHOWN,
    HandOverMixin,
    SettlementFilter,
    hand_over_of,
    steps,
)
from payments.models import PaymentAccount, Statement, StatementLine, StatementMapping, StatementStatus
from payments.reconciliation import choosing, export, importing, settle
from payments.reconciliation.approval import STATEMENT, Takes, takes_of
from payments.reconciliation.named_orders import named_orders
from payments.reconciliation.refusals import message_of

Result = StatementLine.Result
STATUS_TONES = {
    StatementStatus.CHOOSING: "waiting",
    StatementStatus.UPLOADED: "waiting",
    StatementStatus.READING: "moving",
    StatementStatus.MATCHED: "good",
    StatementStatus.REFUSED: "bad",
}
RESULT_TONES = {
    Result.MATCHED: "good",
    Result.MISSING_HERE: "bad",
    Result.MISSING_THERE: "bad",
    Result.AMOUNT_DIFFERS: "bad",
    Result.DUPLICATE: "plain",
}
# What each result means, for somebody who reads it for the first time.
MEANINGS: Mapping[str, Promise] = {
    Result.MATCHED: _("the same here and there"),
    Result.MISSING_HERE: _("in the file, not settled here when it was read"),
    Result.MISSING_THERE: _("settled here, not in the file"),
    Result.AMOUNT_DIFFERS: _("another amount than ours"),
    Result.DUPLICATE: _("known from an earlier line or file"),
}
_DIFFERENCES = (Result.MISSING_HERE, Result.MISSING_THERE, Result.AMOUNT_DIFFERS)


class UploadForm(forms.Form):
    """The file and whose it is."""

    account = forms.ModelChoiceField(
        PaymentAccount.objects.order_by("slug"), label=_("payment account"), widget=fields.select()
    )
    file = forms.FileField(
        label=_("Statement file"),
        widget=UnfoldAdminFileFieldWidget(),
        help_text=_(
            "As it was downloaded: Alipay's zip or CSV, WeChat Pay's CSV or gz, UnionPay's ZM file; or a bank's CSV, XLS or"
            " XLSX."
        ),
    )
    mapping = forms.ModelChoiceField(
        StatementMapping.objects.all(),
        label=_("mapping"),
        required=False,
        empty_label=_("recognise by content"),
        widget=fields.select(),
        help_text=_(
            "Only for a bank's own file. The first one of a bank is recognised by its content and shown to you before it is"
            " read."
        ),
    )


def _is_matched(statement: Statement) -> bool:
    return statement.status == StatementStatus.MATCHED


def _has_unsettleable(statement: Statement) -> bool:
    return _is_matched(statement) and settle.unsettleable(statement).exists()


def _raise(_request: HttpRequest, statement: Statement, _data: Mapping[str, Any]) -> str:
    handed = settle.hand_over(statement)
    said = ngettext(
        "%(number)s new case stands in the queue of payment exceptions.",
        "%(number)s new cases stand in the queue of payment exceptions.",
        handed.cases,
    ) % {"number": handed.cases}
    if not handed.grouped:
        return said
    grouped = ngettext(
        "%(number)s line stands together with others of its kind in one case.",
        "%(number)s lines stand together with others of their kind in one case for each kind.",
        handed.grouped,
    ) % {"number": handed.grouped}
    return f"{said} {grouped}"


@admin.register(Statement)
class StatementAdmin(ReadingPageMixin, AddByFormMixin, HandOverMixin, ReadOnlyAdmin):
    list_display = (
        "name",
        "account",
        "made_in",
        "state",
        "period",
        "line_count",
        "differences",
        "origin",
        "imported",
    )
    list_filter = (SettlementFilter, "status", "account", "source")
    list_select_related = ("account", "created_by")
    fields = (
        "account", "form", "mapping", "file_name", "size", "sha256", "source", "period", "payments_amount",
        "refunds_amount", "created_by", "created_at", "settle_wanted_by",
    )  # fmt: skip
    readonly_fields = ("period",)
    add_by = UploadForm
    add_title = _("Import a statement")
    change_form_outer_before_template = "admin/desk/statement.html"
    confirmed = (
        *ACTIONS,
        Confirmed(
            "raise",
            _("Give the rest to a person"),
            STATEMENT.may_approve,
            _(
                "Differences that no machine can settle (unknown orders, other amounts, payments that the file lacks for"
                " more than a day) become cases in the queue of payment exceptions, one for each; more than a hundred of"
                " one kind become one case with their number."
            ),
            _raise,
            fits=_has_unsettleable,
            icon="assignment_ind",
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:object_id>/progress/", wrap(self.progress_view), name="payments_statement_progress"),
            path("<int:object_id>/export/", wrap(self.export_view), name="payments_statement_export"),
            *super().get_urls(),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(STATEMENT.may_propose))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The first step: a file and its account."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
        if request.method == "POST" and form.is_valid():
            try:
                return self._take_in(request, form)
            except DomainError as refused:
                form.add_error("file", refused.message)
        return self.desk_page(request, "admin/desk/statement_upload.html", {"form": form, "steps": steps(1)})

    def _take_in(self, request: HttpRequest, form: UploadForm) -> HttpResponse:
        file = form.cleaned_data["file"]
        origin = importing.Origin(
            source=Statement.Source.UPLOAD,
            file_name=file.name,
            user=person(request),
            mapping=form.cleaned_data["mapping"],
        )
        taken = choosing.take_in(form.cleaned_data["account"], file, origin)
        if taken.is_new:
            log_action(request, taken.statement, "import")
        elif taken.statement.status != StatementStatus.CHOOSING:
            known = gettext("This file was imported before, as this statement. Nothing was changed.")
            self.message_user(request, known, level="warning")
        if taken.statement.status == StatementStatus.CHOOSING:
            return HttpResponseRedirect(_reading_address(taken.statement))
        return HttpResponseRedirect(self.after_action(taken.statement))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        statement = self.get_object(request, object_id)
        context = {**_page(statement), **hand_over_of(request, statement)} if statement else {}
        if statement and request.user.has_perm(STATEMENT.may_propose) and choosing.can_be_read(statement):
            context["reading"] = _reading_address(statement)
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def progress_view(self, request: HttpRequest, object_id: int) -> JsonResponse:
        """A few numbers for the page that waits."""
        statement = self._statement(request, object_id)
        left = settle.settleable(statement).count() if statement.settle_wanted_at else 0
        return JsonResponse(
            {
                "status": statement.status,
                "progress": statement.progress,
                "lines_read": statement.lines_read,
                "settling": statement.settle_wanted_at is not None,
                "to_settle": left,
            }
        )

    def export_view(self, request: HttpRequest, object_id: int) -> StreamingHttpResponse:
        """All differences, or those of `?result=`, as CSV."""
        statement = self._statement(request, object_id)
        wanted = request.GET.get("result", "")
        results = (wanted,) if wanted in Result.values else _DIFFERENCES
        lines = statement.lines.filter(result__in=results)
        name = f"statement-{statement.pk}-{wanted if wanted in Result.values else 'differences'}.csv"
        return csv_download(export.difference_csv(lines), name)

    def _statement(self, request: HttpRequest, object_id: int) -> Statement:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = Statement.objects.filter(pk=object_id).first()
        if found is None:
            raise Http404
        return found

    @admin.display(description=_("Statement file"))
    def name(self, statement: Statement) -> str:
        return str(statement)

    @admin.display(description=_("form of the file"))
    def made_in(self, statement: Statement) -> str:
        return statement.get_form_display()

    @admin.display(description=_("status"))
    def state(self, statement: Statement) -> SafeString:
        text: str | Promise = StatementStatus(statement.status).label
        if statement.status == StatementStatus.READING:
            text = f"{text} {statement.progress} %"
        return badges.badge(text, tone=STATUS_TONES[StatementStatus(statement.status)])

    @admin.display(description=_("period"))
    def period(self, statement: Statement) -> str:
        return _period(statement) or "–"

    @admin.display(description=_("lines"))
    def line_count(self, statement: Statement) -> SafeString:
        return badges.number(statement.lines_total)

    @admin.display(description=_("differences"))
    def differences(self, statement: Statement) -> SafeString:
        if statement.status != StatementStatus.MATCHED:
            return badges.NOTHING
        number = sum(getattr(statement, name) for name in _DIFFERENCES)
        return badges.badge(f"{number:,}", tone="bad" if number else "good")

    @admin.display(description=_("source"))
    def origin(self, statement: Statement) -> str:
        who = f" · {statement.created_by}" if statement.created_by else ""
        return f"{statement.get_source_display()}{who}"

    imported = columns.plain("created_at", _("imported at"))


def _period(statement: Statement) -> str:
    if not (statement.period_from and statement.period_to):
        return ""
    first = timezone.localtime(statement.period_from)
    last = timezone.localtime(statement.period_to)
    return f"{first:%Y-%m-%d %H:%M} – {last:%Y-%m-%d %H:%M}"


def _page(statement: Statement) -> dict[str, Any]:
    is_matched = statement.status == StatementStatus.MATCHED
    takes = takes_of(statement) if is_matched else Takes()
    settled = statement.lines.exclude(outcome="") if is_matched else StatementLine.objects.none()
    outcomes = list(settled.values_list("outcome").annotate(number=Count("pk")).order_by("outcome"))
    return {
        "statement": statement,
        "period": _period(statement),
        "steps": steps(_step(statement, takes.lines, bool(outcomes))),
        "refusal": message_of(statement.refusal),
        "is_busy": statement.is_busy,
        "is_choosing": statement.status == StatementStatus.CHOOSING,
        "tiles": _tiles(statement) if is_matched else [],
        "takes": takes,
        "outcomes": [(_outcome(code), code, n) for code, n in outcomes],
        "lines": _first_differences(statement) if is_matched else [],
        "all_lines": _lines_address(statement),
    }


def _outcome(code: str) -> str:
    return str(dict(StatementLine._meta.get_field("outcome").flatchoices).get(code, code))


def _step(statement: Statement, to_settle: int, has_outcomes: bool) -> int:
    if statement.settle_wanted_at:
        return 3
    if has_outcomes and not to_settle:
        return 4
    return 2


def _tiles(statement: Statement) -> list[dict[str, Any]]:
    return [
        {
            "label": Result(name).label,
            "meaning": MEANINGS[name],
            "count": getattr(statement, name),
            "tone": _tone(statement, Result(name)),
            "url": _lines_address(statement, result__exact=name),
        }
        for name in Result.values
    ]


def _reading_address(statement: Statement) -> str:
    return reverse("admin:payments_statement_reading", args=[statement.pk])


def _tone(statement: Statement, result: StatementLine.Result) -> str:
    """What was missing here and is settled now is no trouble any more."""
    if not getattr(statement, result):
        return "plain"
    is_over = result == Result.MISSING_HERE and not statement.lines.filter(result=result, outcome="").exists()
    return "good" if is_over else RESULT_TONES[result]


def _lines_address(statement: Statement, **filters: str) -> str:
    query = urlencode({"statement": statement.pk, **filters})
    return f"{reverse('admin:payments_statementline_changelist')}?{query}"


def _first_differences(statement: Statement) -> list[tuple[StatementLine, Order | None]]:
    """The first differences, each with its order: the payment's, or the one whose number the line names."""
    rows = statement.lines.filter(result__in=_DIFFERENCES).select_related("payment__order", "account")
    lines = list(rows.order_by("id")[:SHOWN])
    named = named_orders(lines)
    return [(line, line.payment.order if line.payment else named.get(line.reference)) for line in lines]
