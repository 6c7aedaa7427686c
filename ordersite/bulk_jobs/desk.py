"""Offers bulk operations on a list of the back office: an action, its confirmation, and the job's page.

The chosen rows come from the list itself, so that a job holds nothing that the person does not see there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from ordersite.bulk_jobs.models import BulkJob
from ordersite.bulk_jobs.operations import Operation, Subject
from ordersite.bulk_jobs.start import start
from ordersite.lib.adminkit.confirmed import NothingForm, ReasonForm, log_action, person
from ordersite.lib.errors import DomainError

CONFIRMED = "bulk_start"


@dataclass(frozen=True, slots=True)
class BulkAction:
    """An operation on a list; `subjects` are those of the chosen rows, in their order."""

    operation: Operation
    subjects: Callable[[QuerySet[Any]], Iterable[Subject]]


class BulkActionsMixin:
    """Adds bulk operations to the actions of a list, for the chosen rows or for all that match its filters."""

    bulk_actions: Sequence[BulkAction] = ()
    opts: Any
    admin_site: Any

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        offered = [one for one in self.bulk_actions if one.operation.may_start(request.user)]
        found: dict[str, Any] = super().get_actions(request)  # type: ignore[misc]  # the admin class beside it has it
        return found | {
            one.operation.key: (_as_action(one), one.operation.key, one.operation.label) for one in offered
        }

    def start_bulk(self, request: HttpRequest, rows: QuerySet[Any], action: BulkAction) -> HttpResponse:
        """Ask first, then store the job and lead to its page. 403 without the operation's right."""
        if not action.operation.may_start(request.user):
            raise PermissionDenied
        given = request.POST if CONFIRMED in request.POST else None
        form = form_of(action.operation)(given)
        if given is not None and form.is_valid():
            try:
                return start_and_show(
                    request, action.operation, action.subjects(rows), form.cleaned_data.get("reason", "")
                )
            except DomainError as refused:
                form.add_error(None, refused.message)
        return TemplateResponse(
            request, "admin/desk/bulk_start.html", self._start_context(request, rows, action, form)
        )

    def _start_context(
        self, request: HttpRequest, rows: QuerySet[Any], action: BulkAction, form: forms.Form
    ) -> dict[str, Any]:
        most = action.operation.most
        chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
        matching = self.get_changelist_instance(request).get_queryset(request)  # type: ignore[attr-defined]
        return {
            **self.admin_site.each_context(request),
            "title": action.operation.label,
            "subtitle": self.opts.verbose_name_plural,
            "opts": self.opts,
            "operation": action.operation,
            "form": form,
            "chosen": chosen,
            "matching": matching.order_by()[: most + 1].count(),
            "is_all": request.POST.get("select_across") == "1",
            "most": most,
            "back": request.get_full_path(),
        }


def _as_action(action: BulkAction) -> Callable[..., HttpResponse]:
    def run(page: BulkActionsMixin, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse:
        return page.start_bulk(request, rows, action)

    return run


def form_of(operation: Operation) -> type[forms.Form]:
    return ReasonForm if operation.needs_reason else NothingForm


def start_and_show(
    request: HttpRequest, operation: Operation, subjects: Iterable[Subject], reason: str
) -> HttpResponse:
    """Store the job, write the log of staff actions and lead to the job's page. Raises `DomainError`."""
    job = start(operation, subjects, started_by=person(request), reason=reason)
    log_action(request, job, f"start: {job.total} {reason}".rstrip())
    return HttpResponseRedirect(page_of(job))


def page_of(job: BulkJob) -> str:
    return reverse("admin:bulk_jobs_bulkjob_change", args=[job.pk])
