"""Stored errors of calls to a provider in the reader's words: rows keep `code: message`, in the worker's language."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

ERRORS: Mapping[str, Promise] = {
    "adapter_failed": _("The answer could not be worked on."),
    "bad_address": _("The account's address cannot be used."),
    "bill_empty": _("The provider's bill is empty, and there are payments of that day here."),
    "cannot_decrypt": _("The account's secrets cannot be opened on this machine."),
    "provider_answer_refused": _("The answer is not a genuine one, or about something else."),
    "provider_answer_unreadable": _("The answer cannot be read."),
    "provider_busy": _("The provider is too busy."),
    "provider_error": _("The provider has a fault of its own."),
    "provider_http_error": _("The provider did not answer usefully."),
    "provider_misconfigured": _("The account's keys or settings do not fit."),
    "provider_refused": _("The provider refuses the call."),
    "provider_timeout": _("The provider did not answer in time."),
    "provider_unreachable": _("The provider cannot be reached."),
}
_STORED = re.compile(r"([a-z]+(?:_[a-z]+)*)(?:: (.*))?", re.DOTALL)
# Behind it stands what the provider itself said.
_COLON = re.compile(r"[:：]\s*")


def error_label(stored: str) -> str:
    """Translate a stored error, with the provider's own words behind it; anything else stays as it is."""
    found = _STORED.fullmatch(stored)
    if found is None or found[1] not in ERRORS:
        return stored
    label, detail = str(ERRORS[found[1]]), "".join(_COLON.split(found[2] or "", maxsplit=1)[1:])
    return (
        pgettext("problem and detail", "%(text)s (%(detail)s)") % {"text": label, "detail": detail}
        if detail
        else label
    )
