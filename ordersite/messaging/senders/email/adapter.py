"""E-mail over SMTP: text and HTML, with images inside, and a Message-ID that is the same for each attempt.

Mail servers do not look at the Message-ID; some readers show one mail for two of the same id.
"""

from __future__ import annotations

import hashlib
import re
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ordersite.lib.http import Gateway
from ordersite.lib.outgoing.addresses import address_problems, is_excepted, literal
from ordersite.messaging.senders.email.smtp import MailServer, hand_over, mail_server
from ordersite.messaging.senders.interface import AddressKind, Sender
from ordersite.messaging.senders.types import ChannelKeys, OutgoingMessage, SendError, Sent
from ordersite.outside_accounts.files import missing_keys

# Not every mail server takes eight bits.
_POLICY = SMTP.clone(cte_type="7bit")
_ADDRESS = re.compile(r"[^@\s<>(),;:\"\\]{1,64}@[^@\s<>(),;:\"\\]{1,255}")


class Email(Sender):
    """E-mail through the merchant's mail server."""

    name = "email"
    label = gettext_lazy("E-mail")
    config_keys = ("from",)
    # The address of the server holds its password.
    secret_keys = ("email_url",)
    address_kind = AddressKind.EMAIL

    def check(self, keys: ChannelKeys) -> list[str]:
        """The problems of the account's keys that can be found without a call."""
        problems = missing_keys(self, keys)
        address, sender = keys.secrets.get("email_url", ""), str(keys.config.get("from", ""))
        if address:
            problems += _server_problems(address)
        if sender and not is_address(parseaddr(sender)[1]):
            problems.append(_("from must be an e-mail address, with a name or without."))
        return problems

    def send(self, message: OutgoingMessage, keys: ChannelKeys, gateway: Gateway, token: str = "") -> Sent:
        """Send a mail; its number is the Message-ID. Raises `SendError`."""
        if not is_address(message.recipient):
            raise SendError("bad_address", "not an e-mail address")
        try:
            server = mail_server(keys.secrets.get("email_url", ""))
            mail = mail_of(message, str(keys.config.get("from", "")))
        except (ValueError, MessageError) as error:
            raise SendError("bad_keys", "email_url or from cannot be read") from error
        sender = parseaddr(str(keys.config.get("from", "")))[1]
        hand_over(server, mail, sender=sender, recipient=message.recipient)
        return Sent(str(mail["Message-ID"]))


def is_address(text: str) -> bool:
    """Whether this is the address of one mailbox in ASCII, and nothing that would become a header."""
    return text.isascii() and bool(_ADDRESS.fullmatch(text))


def mail_of(message: OutgoingMessage, sender: str) -> EmailMessage:
    """The mail of a message. Raises ValueError or MessageError where `sender` is no address."""
    name, address = parseaddr(sender)
    if not is_address(address):
        raise ValueError("no address")
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = Address(name, addr_spec=address)
    mail["To"] = message.recipient
    mail["Subject"] = " ".join(message.subject.split())
    mail["Date"] = formatdate()
    mail["Message-ID"] = message_id(message.key, address)
    # Nobody's holiday notice is wanted as an answer.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    if message.html:
        mail.add_alternative(message.html, subtype="html")
        _add_images(mail, message)
    return mail


def message_id(key: str, sender: str) -> str:
    """The Message-ID of a message's key, at the domain of its sender."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{sender.rpartition('@')[2]}>"


def _add_images(mail: EmailMessage, message: OutgoingMessage) -> None:
    html = mail.get_payload(1)
    for image in message.inline_images:
        main, _slash, kind = image.content_type.partition("/")
        html.add_related(  # type: ignore[union-attr]
            image.content, main, kind, cid=f"<{image.content_id}>", disposition="inline"
        )


def _server_problems(address: str) -> list[str]:
    try:
        server = mail_server(address)
    except ValueError:
        return [_("email_url must be smtp://, smtp+tls:// or smtps:// with a host.")]
    return address_problems("email_url", server.web_address.replace("http://", "https://")) or _plain(server)


def _plain(server: MailServer) -> list[str]:
    """Without TLS a password would be read on its way; that is for networks that the settings name."""
    found = literal(server.host)
    if server.is_tls or server.starts_tls or (found is not None and is_excepted(found)):
        return []
    return [_("email_url: mail leaves this network with smtp+tls:// or smtps:// only.")]
