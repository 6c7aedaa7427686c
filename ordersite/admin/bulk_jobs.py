"""Bulk jobs: the list, a job's page that follows its work, its file, and jobs for pasted numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import UnfoldAdminTextareaWidget

from ordersite.admin.bulk_operations import OPERATIONS
from ordersite.bulk_jobs.desk import start_and_show
from ordersite.bulk_jobs.export import result_csv
from ordersite.bulk_jobs.models import AGAIN, BulkJob, BulkRow, RowResult
from ordersite.bulk_jobs.operations import MOST_ROWS, Operation
from ordersite.bulk_jobs.run import counts_of
from ordersite.bulk_jobs.start import run_again, stop
from ordersite.lib.adminkit import badges, fields
from ordersite.lib.adminkit.add_form import AddByFormMixin
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, person
from ordersite.lib.adminkit.read_only import OwnPage, ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin, row_id, row_number
from ordersite.lib.errors import DomainError
from ordersite.lib.files import private
from ordersite.lib.files.csv_export import csv_download

VIEW = "bulk_jobs.view_bulkjob"
TONES = {
    RowResult.DONE: "good",
    RowResult.SKIPPED: "plain",
    RowResult.FAILED: "bad",
    RowResult.STOPPED: "waiting",
}
WAITING = "waiting"
_ROWS_A_PAGE = 50
_LONGEST_NUMBER = 64
_MOST_REASONS = 12
# Spaces, line ends, commas, semicolons and the Chinese ones.
_BETWEEN = re.compile(r"[\s,;，；、]+")


def operation_of(job: BulkJob) -> Operation | None:
    """The job's operation; None for one that this version does not know."""
    return OPERATIONS.get(job.operation)


def may_work_on(user: User | AnonymousUser, job: BulkJob) -> bool:
    """Whether a person may stop it, run it again or take its file: by the right of its operation."""
    operation = operation_of(job)
    return operation is not None and operation.may_start(user)


class PastedForm(forms.Form):
    """An operation and the numbers that it is done to."""

    operation = forms.ChoiceField(label=_("operation"), widget=fields.select())
    numbers = forms.CharField(
        label=_("Numbers"),
        max_length=MOST_ROWS * 40,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 10, "spellcheck": "false"}),
        help_text=_("Order or waybill numbers, one a line or with commas between them."),
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=200, required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [one for one in OPERATIONS.values() if one.may_start(user)]
        cast(forms.ChoiceField, self.fields["operation"]).choices = [(one.key, one.label) for one in offered]
        wanting = "、".join(str(one.label) for one in offered if one.needs_reason)
        self.fields["reason"].help_text = _("Needed for: %(operations)s.") % {"operations": wanting}
        if not wanting:
            del self.fields["reason"]

    def clean_reason(self) -> str:
        reason: str = self.cleaned_data["reason"]
        operation = OPERATIONS.get(self.cleaned_data.get("operation", ""))
        if operation and operation.needs_reason and not reason:
            raise forms.ValidationError(self.fields["reason"].error_messages["required"], code="required")
        return reason

    def clean_numbers(self) -> list[str]:
        numbers = list(dict.fromkeys(filter(None, _BETWEEN.split(self.cleaned_data["numbers"].upper()))))
        if too_long := next((one for one in numbers if len(one) > _LONGEST_NUMBER), ""):
            raise forms.ValidationError(
                _("“%(number)s…” is no number."), params={"number": too_long[:20]}, code="no_number"
            )
        return numbers


def _stop(request: HttpRequest, job: BulkJob, _data: Mapping[str, Any]) -> str:
    _refuse_without_right(request, job)
    stopped = stop(job)
    return ngettext(
        "Stopped: %(number)s row was not done.", "Stopped: %(number)s rows were not done.", stopped
    ) % {"number": stopped}


def _run_again(request: HttpRequest, job: BulkJob, _data: Mapping[str, Any]) -> str:
    _refuse_without_right(request, job)
    again = run_again(job, started_by=person(request))
    return ngettext("%(number)s row is run again.", "%(number)s rows are run again.", again) % {
        "number": again
    }


def _refuse_without_right(request: HttpRequest, job: BulkJob) -> None:
    if not may_work_on(request.user, job):
        raise PermissionDenied


def _has_again(job: BulkJob) -> bool:
    return job.is_finished and any(job.counts.get(result) for result in AGAIN)


@admin.register(BulkJob)
class BulkJobAdmin(OwnPage, AddByFormMixin, ConfirmedActionsMixin, ShapeSearchMixin, ReadOnlyAdmin):
    list_display = ("serial", "what", "state", "progress", "problems", "started_by", "started")
    list_display_links = ("serial", "what")
    list_select_related = ("started_by",)
    search_fields = ("id",)
    search_help_text = _("Number of the job")
    shapes = (row_id(),)
    add_title = _("Bulk job for pasted numbers")
    add_explain = _("It runs in the background, each number by itself; a number that is not found is named.")
    add_button = _("Start the job")
    confirmed = (
        Confirmed(
            "again",
            _("Run the failed again"),
            VIEW,
            _("The rows that failed or were stopped are run again, in your name."),
            _run_again,
            fits=_has_again,
            icon="replay",
        ),
        Confirmed(
            "stop",
            _("Stop"),
            VIEW,
            _("The rows that are done stay done; those that have not begun are left."),
            _stop,
            fits=lambda job: not job.is_finished and not job.stopped_at,
            tone="bad",
            icon="stop_circle",
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.file_view)
        return [
            path("<int:object_id>/file/", view, name="bulk_jobs_bulkjob_file"),
            path(
                "<int:object_id>/results/",
                self.admin_site.admin_view(self.results_view),
                name="bulk_jobs_bulkjob_results",
            ),
            *super().get_urls(),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return any(one.may_start(request.user) for one in OPERATIONS.values())

    def add_form(self, request: HttpRequest) -> forms.Form:
        return PastedForm(request.POST if request.method == "POST" else None, user=person(request))

    def create(self, request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
        operation = OPERATIONS[data["operation"]]
        if len(data["numbers"]) > operation.most:  # before they are looked up
            raise DomainError(
                "bulk_too_many",
                _("One job takes at most %(most)s rows: choose fewer."),
                most=operation.most,
            )
        return start_and_show(request, operation, operation.find(data["numbers"]), data.get("reason", ""))

    def buttons(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        return super().buttons(request, row) if may_work_on(request.user, row) else []

    def own_page(self, request: HttpRequest, row: BulkJob) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, **self._context(request, row)}
        return TemplateResponse(request, "admin/desk/bulk_job.html", context)

    def _context(self, request: HttpRequest, job: BulkJob) -> dict[str, Any]:
        operation, counts = operation_of(job), counts_of(job)
        chosen = request.GET.get("result", "")
        rows = BulkRow.objects.filter(job=job).order_by("position")
        if chosen in {*RowResult.values, WAITING}:
            rows = rows.filter(result="" if chosen == WAITING else chosen)
        page = Paginator(rows, _ROWS_A_PAGE).get_page(row_number(request.GET.get("p", "")) or 1)
        may_take = job.file and may_work_on(request.user, job)
        return {
            "title": operation.label if operation else job.operation,
            "subtitle": f"#{job.pk}",
            "job": job,
            "state": self.state(job),
            "tiles": _tiles(job, counts, chosen),
            "ended": job.total - counts.get("", 0),
            "reasons": _reasons(job, operation),
            "rows": [_shown(row, operation) for row in page],
            "page": page,
            "chosen": chosen,
            "file": reverse("admin:bulk_jobs_bulkjob_file", args=[job.pk]) if may_take else "",
            "results": reverse("admin:bulk_jobs_bulkjob_results", args=[job.pk]),
            "file_problem": operation.problem_of(job) if operation else job.file_problem,
            "confirmed_actions": self.buttons(request, job),
        }

    def file_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Hand out the job's file: 403 without the operation's right, 404 where there is none."""
        job = self._visible_row(request, object_id)
        if not isinstance(job, BulkJob) or not may_work_on(request.user, job):
            raise PermissionDenied
        operation = operation_of(job)
        if not job.file or operation is None:
            raise Http404
        stem, _dot, ending = operation.file_name.partition(".")
        return private.attachment(job.file, f"{stem}-{job.pk}.{ending}")

    def results_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """All rows with their results as CSV, for people who may see the job."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        job: BulkJob = self.row_or_404(request, str(object_id))
        return csv_download(result_csv(job, operation_of(job)), f"bulk-job-{job.pk}.csv")

    @admin.display(description=_("job"))
    def serial(self, job: BulkJob) -> str:
        return f"#{job.pk}"

    @admin.display(description=_("operation"))
    def what(self, job: BulkJob) -> str | Promise:
        operation = operation_of(job)
        return operation.label if operation else job.operation

    @admin.display(description=_("status"))
    def state(self, job: BulkJob) -> SafeString:
        if not job.is_finished:
            return badges.badge(_("stopping") if job.stopped_at else _("running"), tone="moving")
        if job.stopped_at:
            return badges.badge(_("stopped"), tone="waiting")
        if job.counts.get(RowResult.FAILED) or job.file_problem:
            return badges.badge(_("finished, with failures"), tone="bad")
        return badges.badge(_("finished"), tone="good")

    @admin.display(description=_("rows"))
    def progress(self, job: BulkJob) -> str:
        return f"{job.total - counts_of(job).get('', 0):,} / {job.total:,}"

    @admin.display(description=_("failed"))
    def problems(self, job: BulkJob) -> SafeString:
        return badges.number(counts_of(job).get(RowResult.FAILED) or None)

    @admin.display(description=_("started at"))
    def started(self, job: BulkJob) -> SafeString:
        return badges.ago(job.created_at)


def _tiles(job: BulkJob, counts: Mapping[str, int], chosen: str) -> list[dict[str, Any]]:
    """The rows by result, each a link to them; what there is none of is left out, but for what was done."""
    found = [(str(result), result.label, TONES[result], counts.get(result, 0)) for result in RowResult]
    if not job.is_finished:
        found.append((WAITING, _("waiting"), "moving", counts.get("", 0)))
    return [
        {"code": code, "label": label, "tone": tone, "count": count, "is_chosen": code == chosen}
        for code, label, tone, count in found
        if count or code == RowResult.DONE
    ]


def _reasons(job: BulkJob, operation: Operation | None) -> list[tuple[str, str, int]]:
    """Why rows were skipped or failed: the words, the tone and how many, the most frequent first."""
    codes = BulkRow.objects.filter(job=job, result__in=[RowResult.SKIPPED, RowResult.FAILED]).order_by()
    counted = codes.values_list("result", "code", "words").annotate(number=Count("pk"))
    found = []
    for result, code, words, number in counted.order_by("-number")[:_MOST_REASONS]:
        row = BulkRow(code=code, words=words)
        found.append((operation.words_of(row) if operation else words or code, TONES[result], number))
    return found


def _shown(row: BulkRow, operation: Operation | None) -> dict[str, Any]:
    page = operation.row_page if operation else ""
    result = RowResult(row.result) if row.result else None
    label = badges.badge(result.label, tone=TONES[result]) if result else badges.badge(_("waiting"))
    return {
        "position": row.position,
        "name": badges.link(row.name, page, row.subject_id),
        "result": label,
        "words": operation.words_of(row) if operation else row.words or row.code,
    }
