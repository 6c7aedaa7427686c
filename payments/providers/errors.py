"""The errors that adapters raise: `Rejected` for a notification, `OutsideError` for a call of ours."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import OutsideError

REJECTIONS: Mapping[str, Promise] = {
    "bad_signature": _("The signature does not fit the message."),
    "wrong_sign_type": _("The message does not use the signature method that this account is bound to."),
    "stale_timestamp": _("The time stamp is more than five minutes away from now."),
    "bad_charset": _(
        "The message is not in the character set that it names, or names one that is not taken."
    ),
    "duplicate_key": _("The message gives one field twice."),
    "malformed": _("The message is not in the form of this provider."),
    "ambiguous_text": _("The signed text can be read in two ways, so that nobody knows what was signed."),
    "missing_field": _("The message lacks a field that is needed to check it."),
    "too_large": _("The message is larger than 64 KiB."),
    "unknown_key": _("The message is signed with a key that this account does not have."),
    "cannot_decrypt": _("The content cannot be decrypted with the key of this account."),
    "signature_probe": _("The provider has sent a wrong signature on purpose, to see that it is refused."),
}
# The code of an `OutsideError` for an answer that is in no known character set or not in the provider's form. It proves
# nothing about the money, and the provider does answer.
UNREADABLE = "provider_answer_unreadable"
# The codes of `Rejected` that mean the same.
ILLEGIBLE = frozenset(("bad_charset", "malformed"))
# A probe is rejected like a forgery, but the provider itself sent it: no case is opened.
SIGNATURE_PROBE = "signature_probe"


class Rejected(Exception):
    """A message of a provider cannot be trusted or read. `code` is a key of `REJECTIONS`.

    `detail` is for staff, in English.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail

    @property
    def message(self) -> str:
        text = str(REJECTIONS[self.code])
        return f"{text} ({self.detail})" if self.detail else text


def response_mismatch(name: str) -> OutsideError:
    """The error for a signed response whose member `name` does not match our request."""
    return OutsideError(
        "provider_answer_refused",
        _("The answer is about something else: %(name)s does not fit."),
        retryable=True,
        outcome_known=False,
        name=name,
    )
