"""What the logs of stored calls of outside machines (`ordersite.queue.inbox`) show alike: columns, raw call, tabs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.confirmed import person
from ordersite.lib.adminkit.raw_call import masked_headers, shown_body
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.errors import DomainError

# Calls that are counted, not read.
UNREAD: Mapping[str, Promise] = {
    "method_not_allowed": _("The call is no POST."),
    "unknown_account": _("There is no such account."),
    "wrong_address": _("The address names this account, but is not its own."),
    "too_slow": _("The message did not arrive whole, or not in time."),
    "too_large": _("The message is larger than 64 KiB."),
    "compressed": _("The message is compressed."),
}


class ReplayOutcome(Protocol):
    """What a replay of stored calls came to."""

    def refusal(self) -> DomainError | None: ...


def replay_row(request: HttpRequest, row: Any, replay: Callable[..., ReplayOutcome]) -> None:
    """Replay one stored call in the name of the person of this request.

    Raises `DomainError`: why it was refused, or cannot_decrypt.
    """
    who = person(request)
    try:
        done = replay([row.pk], actor=who.get_username(), user_id=who.pk)
    except CannotDecrypt as error:
        raise DomainError(
            "cannot_decrypt", _("The account's secrets cannot be opened on this machine.")
        ) from error
    if refused := done.refusal():
        raise refused


@dataclass(frozen=True, slots=True)
class Tab:
    """A page of a log; `name` is its URL's name, `permission` who sees it."""

    label: str | Promise
    name: str
    permission: str


class TabsMixin:
    """Shows the pages of a log above its list."""

    tabs: Sequence[Tab] = ()
    tabs_label: str | Promise = ""
    list_before_template = "admin/desk/log_tabs.html"

    def tabs_for(self, request: HttpRequest) -> dict[str, Any]:
        """The template's context: the tabs that this person may open."""
        found = [
            {"label": tab.label, "url": url, "is_here": request.path == url}
            for tab in self.tabs
            if request.user.has_perm(tab.permission)
            for url in (reverse(tab.name),)
        ]
        return {"log_tabs": found, "log_tabs_label": self.tabs_label}

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {**self.tabs_for(request), **(extra_context or {})}
        return super().changelist_view(request, context)  # type: ignore[misc]  # the admin class beside this mixin has it


class StoredCallColumns:
    """Columns of a stored call. `tones` gives an outcome its colour, `reasons` a rejection its words."""

    tones: ClassVar[Mapping[str, str]] = {}
    reasons: ClassVar[Mapping[str, str | Promise]] = {}
    tries = columns.plain("attempts", _("attempts"))
    due = columns.due()
    finished = columns.plain("done_at", _("done at"))
    problem = columns.plain("last_error", _("last problem"))

    @admin.display(description="#")
    def row(self, call: Any) -> str:
        return f"#{call.pk}"

    @admin.display(description=_("received at"))
    def arrived(self, call: Any) -> SafeString:
        return badges.ago(call.received_at)

    @admin.display(description=_("signature check"))
    def check_badge(self, call: Any) -> SafeString:
        return badges.badge(call.get_check_result_display(), tone="good" if call.is_verified else "bad")

    @admin.display(description=_("outcome"))
    def outcome_badge(self, call: Any) -> SafeString:
        return badges.badge(call.get_outcome_display(), tone=self.tones.get(call.outcome, "bad"))

    @admin.display(description=_("answered · applied (ms)"))
    def pace(self, call: Any) -> SafeString:
        applied = "–"
        if call.done_at and call.is_verified:
            applied = f"{(call.done_at - call.received_at).total_seconds() * 1000:,.0f}"
        return format_html('<span class="os-money">{} · {}</span>', call.answered_ms, applied)

    @admin.display(description=_("rejected because"))
    def rejection(self, call: Any) -> str | Promise:
        return self.reasons.get(call.reject_code, call.reject_code or "–")

    @admin.display(description=_("headers"))
    def headers(self, call: Any) -> SafeString:
        raw = call.raw_call
        text = json.dumps(masked_headers(raw.headers), ensure_ascii=False, indent=1) if raw else "–"
        return format_html('<pre class="os-raw">{}</pre>', text)

    @admin.display(description=_("raw body"))
    def body(self, call: Any) -> SafeString:
        """Show the body, or why it cannot be shown. Its SHA-256 stays as evidence."""
        raw = call.raw_call
        if raw is None:
            text = _("Deleted after its time. Its SHA-256 stays: %(digest)s")
            return format_html("{}", text % {"digest": call.body_digest})
        try:
            return shown_body(raw.body, raw.headers.get("content-type", ""))
        except CannotDecrypt:
            return format_html("{}", _("The keys of this installation do not open it."))


class CountedCallsAdmin(TabsMixin, ReadOnlyAdmin):
    """Read-only counts of calls that were refused without being stored. `reasons` gives a reason its words."""

    reasons: ClassVar[Mapping[str, str | Promise]] = UNREAD
    list_display = ("day", "path", "cause", "count", "last")
    fields = ("day", "path", "cause", "calls", "last_at")
    readonly_fields = ("cause",)

    @admin.display(description=_("reason"))
    def cause(self, refused: Any) -> str | Promise:
        return self.reasons.get(refused.reason, refused.reason)

    @admin.display(description=_("calls"))
    def count(self, refused: Any) -> SafeString:
        return badges.number(refused.calls)

    @admin.display(description=_("last at"))
    def last(self, refused: Any) -> SafeString:
        return badges.ago(refused.last_at)
