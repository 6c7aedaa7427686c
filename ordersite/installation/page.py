"""The page of checks in the back office."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ordersite.installation import checks
from ordersite.installation.checks import Check, Result
from ordersite.installation.result import State

# Who looks after the machine.
SEEN_BY = "health.change_alert"
_TONES = {State.GOOD: "good", State.WARN: "waiting", State.BAD: "bad"}


@require_safe
@never_cache
def installation(request: HttpRequest) -> HttpResponse:
    """Run every check and show what each found. Mounted inside `admin_view`, which asks for the log-in."""
    if not request.user.has_perm(SEEN_BY):
        raise PermissionDenied
    groups = [(group[0], checks.run_group(group)) for group in checks.GROUPS]
    results = [one for _title, found in groups for one in found]
    context = {
        **admin.site.each_context(request),
        "title": _("Checks of the installation"),
        "groups": [
            {"title": title, "rows": [_row(one, request) for one in found]} for title, found in groups
        ],
        "red": sum(one.state is State.BAD for one in results),
        "amber": sum(one.state is State.WARN for one in results),
        "count": len(results),
    }
    return TemplateResponse(request, "admin/desk/installation.html", context)


def _row(one: Result, request: HttpRequest) -> dict[str, object]:
    return {
        "name": one.check.name,
        "title": one.check.title,
        "text": one.text,
        "label": one.state.label,
        "tone": _TONES[one.state],
        "url": _url(one.check, request),
    }


def _url(check: Check, request: HttpRequest) -> str:
    """The page where it is mended, for those who may open it."""
    if check.where is None or not request.user.has_perm(check.where[1]):
        return ""
    return reverse(check.where[0])
