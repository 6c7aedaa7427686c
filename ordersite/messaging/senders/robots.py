"""What the robots of group chats share: a text to a secret address, and an answer with a code.

They write plain text, so that nothing in it becomes a mention or a link that its author did not mean.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ordersite.lib.http import Gateway
from ordersite.lib.outgoing.addresses import address_problems
from ordersite.messaging.senders.exchange import (
    JSON,
    code_of,
    json_body,
    post,
    read_object,
    secrets_of,
    text_of,
    without,
)
from ordersite.messaging.senders.interface import AddressKind, Sender
from ordersite.messaging.senders.types import ChannelKeys, OutgoingMessage, SendError, Sent
from ordersite.outside_accounts.files import missing_keys


class Robot(Sender):
    """A robot of a group chat.

    `codes`: the vendor's error codes and ours. `code_field` and `words_field`: where its answer has them. `most_bytes`:
    the longest text. `pause`: how long it takes nothing after too many messages.
    """

    address_kind = AddressKind.NONE
    is_for_staff = True
    secret_keys: tuple[str, ...] = ("url", "secret")
    codes: Mapping[str, str] = {}
    code_field, words_field = "errcode", "errmsg"
    most_bytes = 2000
    pause = timedelta(minutes=1)

    def check(self, keys: ChannelKeys) -> list[str]:
        """The problems of the account's keys that can be found without a call."""
        url = keys.secrets.get("url", "")
        return missing_keys(self, keys) + (address_problems("url", url) if url else [])

    @abstractmethod
    def call_of(self, text: str, keys: ChannelKeys) -> tuple[str, dict[str, Any]]:
        """The address to call, signed where the vendor signs addresses, and what is sent to it."""

    def send(self, message: OutgoingMessage, keys: ChannelKeys, gateway: Gateway, token: str = "") -> Sent:
        """Write the message into the group. Robots give no number of it. Raises `SendError`."""
        url, content = self.call_of(text_for(message, self.most_bytes), keys)
        answer = read_object(post(gateway, url, content=json_body(content), headers=JSON))
        code, words = text_of(answer, self.code_field), text_of(answer, self.words_field)
        if code == "0":
            return Sent("")
        ours = code_of(code, self.codes, otherwise="refused" if code else "unknown")
        pause = self.pause if ours == "throttled" else None
        raise SendError(ours, without(f"{code} {words}", (*secrets_of(keys), url)), pause=pause)


def text_for(message: OutgoingMessage, most_bytes: int) -> str:
    """Subject, text and link on lines of their own; the text is cut so that all of it has at most so many bytes.

    A link that stands in the text is not repeated.
    """
    subject, text, link = message.subject, message.text, message.link
    link = "" if link in text else link
    fixed = sum(len(part.encode()) + 1 for part in (subject, link) if part)
    parts = (subject, _cut(text, max(most_bytes - fixed, 0)), link)
    return _cut("\n".join(part for part in parts if part), most_bytes)


def _cut(text: str, most_bytes: int) -> str:
    raw = text.encode()
    return text if len(raw) <= most_bytes else f"{raw[: max(most_bytes - 3, 0)].decode(errors='ignore')}…"
