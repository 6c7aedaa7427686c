"""Hands one e-mail to a mail server: within a total time, and only to an address that outgoing calls may reach.

The replies are those of RFC 5321: 4yz is for now, 5yz for good.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from functools import cache
from pathlib import Path

from django.core.mail.utils import DNS_NAME

from ordersite.lib.mail_server import mail_settings
from ordersite.lib.outgoing.addresses import AddressRefused, targets_of
from ordersite.lib.outgoing.mail import BoundSMTP, BoundSMTPOverTLS
from ordersite.messaging.senders.types import SendError

_STEP_SECONDS = 10.0
_LOOKUP_SECONDS = 5.0
_TAKEN, _FORWARDED = 250, 251
_NO_SUCH_MAILBOX = frozenset((550, 551, 553, 556))


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server. `is_tls`: from the first byte; `starts_tls`: before anything is said."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    is_tls: bool
    starts_tls: bool

    @property
    def web_address(self) -> str:
        """The server as an address that `targets_of` checks: plain SMTP goes where plain http may."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_tls or self.starts_tls else 'http'}://{host}:{self.port}/"


def mail_server(address: str) -> MailServer:
    """Read the URL of a mail server. Raises ValueError."""
    if not address:
        raise ValueError("is missing")
    found = mail_settings(address, folder=Path())
    return MailServer(
        host=found["EMAIL_HOST"],
        port=found["EMAIL_PORT"],
        user=found["EMAIL_HOST_USER"],
        password=found["EMAIL_HOST_PASSWORD"],
        is_tls=found["EMAIL_USE_SSL"],
        starts_tls=found["EMAIL_USE_TLS"],
    )


def hand_over(server: MailServer, mail: EmailMessage, *, sender: str, recipient: str) -> None:
    """Give the mail to the server. Raises `SendError`."""
    with _connected(server) as line:
        _name_both(line, sender, recipient)
        try:
            code, _words = line.data(mail.as_bytes())
        except smtplib.SMTPDataError as error:
            code = error.smtp_code
        except (smtplib.SMTPException, OSError) as error:
            # It broke off after the mail had begun: the server may have it.
            raise SendError("unknown", type(error).__name__) from error
        if code != _TAKEN:
            raise _refusal(code, for_good="bad_content")


def _name_both(line: smtplib.SMTP, sender: str, recipient: str) -> None:
    """Say from whom and to whom a mail is. Raises `SendError`; nothing was sent then."""
    try:
        line.ehlo_or_helo_if_needed()
        code, _words = line.mail(sender)
        if code != _TAKEN:
            raise _refusal(code, for_good="bad_keys")
        code, _words = line.rcpt(recipient)
    except (smtplib.SMTPException, OSError) as error:
        raise SendError("busy", type(error).__name__) from error
    if code not in (_TAKEN, _FORWARDED):
        raise _refusal(code, for_good="bad_address" if code in _NO_SUCH_MAILBOX else "refused")


@contextlib.contextmanager
def _connected(server: MailServer) -> Iterator[smtplib.SMTP]:
    """A connection that is logged in. Raises `SendError`; no mail was sent then."""
    line = _line(server)
    try:
        try:
            _open(line, server)
        except smtplib.SMTPAuthenticationError as error:
            raise _refusal(error.smtp_code, for_good="bad_keys") from error
        except AddressRefused as error:
            raise SendError("bad_keys", "the mail server may not be reached") from error
        except (smtplib.SMTPNotSupportedError, ssl.SSLCertVerificationError) as error:
            raise SendError("bad_keys", type(error).__name__) from error
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise SendError("busy", type(error).__name__) from error
        yield line
        with contextlib.suppress(smtplib.SMTPException, OSError):
            line.quit()
    finally:
        line.close()


def _line(server: MailServer) -> smtplib.SMTP:
    # Our own name is looked up once a process: the resolver has no time-out.
    own_name = DNS_NAME.get_fqdn()
    if server.is_tls:
        return BoundSMTPOverTLS(local_hostname=own_name, timeout=_STEP_SECONDS, context=_certificates())
    return BoundSMTP(local_hostname=own_name, timeout=_STEP_SECONDS)


def _open(line: smtplib.SMTP, server: MailServer) -> None:
    target, *_others = targets_of(server.web_address, seconds=_LOOKUP_SECONDS)
    # The certificate is checked against the name; the connection goes to the address that was checked.
    line._host = server.host  # type: ignore[attr-defined]
    line.connect(str(target.place[0]), server.port)
    if server.starts_tls:
        line.starttls(context=_certificates())
    if server.user:
        line.login(server.user, server.password)


@cache
def _certificates() -> ssl.SSLContext:
    return ssl.create_default_context()


def _refusal(code: int, *, for_good: str) -> SendError:
    # The words of a mail server quote addresses; its code says enough.
    return SendError(for_good if code >= 500 else "busy", f"SMTP {code}")
