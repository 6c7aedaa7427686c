"""Failures that the calls to several providers end in, in the same words."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import OutsideError


def mismatch(name: str) -> OutsideError:
    """The error for a signed answer about something else than what was asked for."""
    return OutsideError(
        "provider_answer_refused",
        _("The answer is about something else: %(name)s does not fit."),
        retryable=True,
        outcome_known=False,
        name=name,
    )
