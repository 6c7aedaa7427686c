"""The reading page: how a bank's file would be read, corrected by choosing from lists, saved as a mapping, then read."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from ordersite.lib.adminkit.confirmed import log_action, person
from ordersite.lib.errors import DomainError
from payments.admin.reading import table
from payments.admin.reading.form import ReadingForm, chosen_in
from payments.admin.settling.hand_over import steps
from payments.models import Statement, StatementMapping
from payments.reconciliation import choosing, mapping_file, sample
from payments.reconciliation.approval import STATEMENT
from payments.reconciliation.readers.guess import FileMapping, mapping_of
from payments.reconciliation.refusals import Refused, message_of


class ReadingPageMixin:
    """Adds the reading page to the statements' pages."""

    opts: Any
    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.reading_view)
        own = path("<int:object_id>/reading/", view, name="payments_statement_reading")
        return [own, *super().get_urls()]  # type: ignore[misc]  # the admin class beside this mixin has it

    def reading_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """GET shows what is recognised, POST what is chosen; a POST with `read` saves the mapping and reads the file."""
        if not request.user.has_perm(STATEMENT.may_propose):
            raise PermissionDenied
        statement = Statement.objects.select_related("account", "mapping").filter(pk=object_id).first()
        if statement is None:
            raise Http404
        if not choosing.can_be_read(statement):
            return HttpResponseRedirect(_page_of(statement))
        try:
            shown, unfit = self._look(request, statement)
        except Refused as refused:
            return self._show(request, statement, {"unread": message_of(refused.as_dict())})
        data = request.POST if request.method == "POST" else None
        form = ReadingForm(data, sample=shown, name=sample.bank_of(statement, shown))
        if data is not None and "read" in data and not unfit and form.is_valid():
            try:
                return self._read(request, statement, form)
            except DomainError as refused:
                form.add_error(None, refused.message)
        context = {
            "form": form,
            "sample": shown,
            "unfit": unfit,
            "headings": table.headings(shown),
            "rows": table.rows(shown, statement.account),
            "word_lists": [
                (form.kind_words(), _("What the words of the kind mean")),
                (form.state_words(), _("Which states mean money")),
            ],
            "is_checked": data is not None and "read" in data,
        }
        return self._show(request, statement, context)

    def _look(self, request: HttpRequest, statement: Statement) -> tuple[sample.Sample, str]:
        """The file with what was chosen; where that does not fit, as it is recognised, and why. Raises `Refused`."""
        chosen = chosen_in(request.POST) if request.method == "POST" else _saved(request, statement)
        try:
            return sample.look(statement, chosen), ""
        except Refused as refused:
            bare = FileMapping(encoding=chosen.encoding, delimiter=chosen.delimiter)
            return sample.look(statement, bare), message_of(refused.as_dict())

    def _read(self, request: HttpRequest, statement: Statement, form: ReadingForm) -> HttpResponse:
        mapping = form.mapping()
        right = "payments.change_statementmapping" if mapping.pk else "payments.add_statementmapping"
        if not request.user.has_perm(right):
            raise PermissionDenied
        taken = choosing.read_by(statement, mapping, user=person(request), save=mapping_file.save)
        log_action(request, mapping, "read")
        log_action(request, taken, "read again" if taken.pk != statement.pk else "read")
        return HttpResponseRedirect(_page_of(taken))

    def _show(self, request: HttpRequest, statement: Statement, context: dict[str, Any]) -> TemplateResponse:
        frame = {
            **self.admin_site.each_context(request),
            "title": _("How the file is read"),
            "subtitle": str(statement),
            "opts": self.opts,
            "statement": statement,
            "steps": steps(2),
            "saved": StatementMapping.objects.all()[:200],
            "back": _page_of(statement),
            "form": None,
        }
        return TemplateResponse(request, "admin/desk/statement_reading.html", {**frame, **context})


def _page_of(statement: Statement) -> str:
    return reverse("admin:payments_statement_change", args=[statement.pk])


def _saved(request: HttpRequest, statement: Statement) -> FileMapping:
    """Return the saved mapping that the request names, else that of the statement."""
    number = request.GET.get("mapping", "")
    if number.isascii() and number.isdigit() and len(number) < 10:
        named = StatementMapping.objects.filter(pk=int(number)).first()
        return mapping_of(named) if named else FileMapping()
    return mapping_of(statement.mapping) if statement.mapping else FileMapping()
