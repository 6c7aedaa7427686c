"""Mail over SMTP within a total time: the library's time-out begins again with each byte of the server."""

from __future__ import annotations

import contextlib
import os
import smtplib
import socket
import threading
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

# For opening a connection, and again for each mail: shorter than the lease of a mail.
TOTAL_SECONDS = 30.0


class Brake:
    """Ends a connection when its time is over, whatever is being read from it then."""

    def __init__(self, line: socket.socket) -> None:
        # A second handle of the same connection: TLS takes the first one over.
        self._line = socket.socket(fileno=os.dup(line.fileno()))
        self._timer = self._started()

    def restart(self) -> None:
        self._timer.cancel()
        self._timer = self._started()

    def release(self) -> None:
        self._timer.cancel()
        self._line.close()

    def _started(self) -> threading.Timer:
        timer = threading.Timer(TOTAL_SECONDS, self._cut)
        timer.daemon = True
        timer.start()
        return timer

    def _cut(self) -> None:
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)


class _Braked:
    """Puts a brake on the socket of an SMTP connection."""

    brake: Brake | None = None

    def _get_socket(self, *arguments: Any) -> socket.socket:
        line: socket.socket = super()._get_socket(*arguments)  # type: ignore[misc]
        self.brake = Brake(line)
        return line

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        if self.brake:
            self.brake.release()
            self.brake = None


class BoundSMTP(_Braked, smtplib.SMTP):
    """Plain, or with STARTTLS."""


class BoundSMTPOverTLS(_Braked, smtplib.SMTP_SSL):
    """TLS from the first byte."""


class BoundEmailBackend(EmailBackend):
    """Django's backend; a connection whose time is over fails like one that the server has ended."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return BoundSMTPOverTLS if self.use_ssl else BoundSMTP

    def _send(self, email_message: EmailMessage) -> bool:
        if isinstance(self.connection, _Braked) and self.connection.brake:
            self.connection.brake.restart()
        return bool(super()._send(email_message))  # type: ignore[misc]
