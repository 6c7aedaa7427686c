"""A mail server that drips holds its worker for the total time and no longer."""

from __future__ import annotations

import smtplib
import time

import pytest
from django.core.mail import EmailMessage

from ordersite.lib.outgoing.mail import BoundEmailBackend
from ordersite.lib.tests.drip import dripping

TOTAL = 0.6


@pytest.mark.parametrize("first", [b"", b"220 ready\r\n"])
def test_a_dripping_mail_server_ends_in_time(first: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ordersite.lib.outgoing.mail.TOTAL_SECONDS", TOTAL)
    mail = EmailMessage("subject", "text", "a@shop.example", ["b@shop.example"])
    start = time.monotonic()

    with dripping(first, b"2") as server:
        backend = BoundEmailBackend("127.0.0.1", server.port, use_tls=False, use_ssl=False, timeout=5)
        with pytest.raises((OSError, smtplib.SMTPException)):
            backend.send_messages([mail])

    assert time.monotonic() - start < TOTAL + 1
