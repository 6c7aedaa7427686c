"""What senders take and give: dataclasses and their errors.

Times are aware UTC. A channel is a way to a person: `aliyun_sms`, `wechat_template`, `email` …
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import OutsideError
from ordersite.lib.masking import mask_phones

MAX_WORDS = 200


@dataclass(frozen=True, slots=True)
class ChannelKeys:
    """The keys of one account: `config` may be shown, `secrets` never. `version` changes when either does."""

    channel: str
    slug: str
    config: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineImage:
    """An image inside an e-mail; the HTML names it as `cid:` and `content_id`. `content_type` is that of a picture."""

    content_id: str
    content: bytes = field(repr=False)
    content_type: str = "image/png"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """One message to one recipient, written out.

    `key` is the same for each attempt at the same message and for no other message. `recipient` is a phone, an openid
    or an e-mail address, as the sender's `address_kind` says; empty for a robot. `template_id` is the vendor's name of
    its template, `params` its values by name, in the template's order. `text`, `subject`, `html` and `inline_images`
    are for channels without templates. `link` is the page that the message leads to.
    """

    key: str
    recipient: str = field(default="", repr=False)
    template_id: str = ""
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    text: str = field(default="", repr=False)
    subject: str = field(default="", repr=False)
    html: str = field(default="", repr=False)
    link: str = field(default="", repr=False)
    inline_images: tuple[InlineImage, ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """The vendor took the message; `vendor_id` is its number of it, and empty where it gives none."""

    vendor_id: str


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token of the vendor's that goes with each call until `expires_at`; a newer one may end it earlier."""

    value: str = field(repr=False)
    expires_at: datetime


class Action(StrEnum):
    """What is done after a failed call.

    Retry: the same channel later. Give up: this channel does not bring this message to this person. Alarm: nothing
    goes through this account until a person has looked at it.
    """

    RETRY = "retry"
    GIVE_UP = "give_up"
    ALARM = "alarm"


SEND_ERRORS: Mapping[str, Promise] = {
    "busy": _("The channel did not take the message now; it will be tried again."),
    "throttled": _("The account sent too many messages at once; it will be tried again."),
    "limit_reached": _("This person got as many messages as the channel allows for now."),
    "day_limit_reached": _("The account sent as many messages as the channel allows on one day."),
    "unknown": _("The channel did not answer in full: the message may have been sent."),
    "token_expired": _("The access token is no longer valid."),
    "bad_address": _("The phone number or address does not exist or cannot be reached."),
    "blocked": _("This person, or the channel for them, refuses messages."),
    "no_consent": _("This person has not agreed to messages, or does not follow the account."),
    "bad_content": _("The channel does not take what the message says."),
    "refused": _("The channel refused the message."),
    "out_of_funds": _("The message account has no money left."),
    "bad_keys": _("The keys of the message account are wrong, or it may not send from this machine."),
    "bad_template": _(
        "The template or the signature of the message is not known to the channel, or not approved."
    ),
}
_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
# A code, what is done then, and how long to wait before the next attempt.
_ACTIONS: Mapping[str, tuple[Action, timedelta]] = {
    "busy": (Action.RETRY, timedelta(seconds=30)),
    "throttled": (Action.RETRY, _MINUTE),
    "limit_reached": (Action.RETRY, _HOUR),
    "day_limit_reached": (Action.RETRY, _HOUR),
    "unknown": (Action.RETRY, _MINUTE),
    "token_expired": (Action.RETRY, timedelta(0)),
    "bad_address": (Action.GIVE_UP, timedelta(0)),
    "blocked": (Action.GIVE_UP, timedelta(0)),
    "no_consent": (Action.GIVE_UP, timedelta(0)),
    "bad_content": (Action.GIVE_UP, timedelta(0)),
    "refused": (Action.GIVE_UP, timedelta(0)),
    "out_of_funds": (Action.ALARM, _HOUR),
    "bad_keys": (Action.ALARM, _HOUR),
    "bad_template": (Action.ALARM, _HOUR),
}


class SendError(OutsideError):
    """A call that brought no message, or may have.

    `code` is a key of `SEND_ERRORS`; `words` are the vendor's own code and message, bounded, phones masked.
    `outcome_known` is False where the message may have been sent all the same: `unknown`. `pause` is the least time
    before another attempt at this message (retry) or at this account (alarm). `token_expired` asks for a fresh token
    and one more attempt at once.
    """

    def __init__(self, code: str, words: str = "", *, pause: timedelta | None = None) -> None:
        action, usual = _ACTIONS[code]
        super().__init__(
            code,
            SEND_ERRORS[code],
            retryable=action is Action.RETRY,
            outcome_known=code != "unknown",
        )
        self.words = mask_phones(words)[:MAX_WORDS]
        self.action = action
        self.pause = usual if pause is None else pause


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The vendor's word on what became of a message.

    It is found by `vendor_id`, or by `key` where the vendor gives back ours; either may be empty. `code` is the
    vendor's own, with its words. `at` is when it was delivered or failed.
    """

    vendor_id: str
    key: str = ""
    is_delivered: bool
    code: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCall:
    """A call of the vendor's to our address for delivery reports.

    Header names are in lower case; `query` holds the last value of each name; `body` is what was sent, to the byte.
    """

    method: str = "POST"
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class ReportReply:
    """The HTTP answer to a report, in the vendor's own words. A status of 400 and more: it could not be read."""

    status: int
    content_type: str
    body: bytes
