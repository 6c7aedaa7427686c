"""Mail over TLS: the certificate is checked against the server's name, before a password or a mail is said."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ordersite.messaging.senders.email import smtp
from ordersite.messaging.senders.tests.sender_cases import error_of, message_for, send
from ordersite.messaging.senders.types import ChannelKeys

ANSWERS = {
    b"EHLO": b"250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN",
    b"AUTH": b"235 ok",
    b"DATA": b"354 go on",
    b"STARTTLS": b"220 go on",
}


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A certificate of localhost with its key, which this process trusts."""
    path = tmp_path / "localhost.pem"
    path.write_bytes(_self_signed("localhost"))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    smtp._certificates.cache_clear()
    yield path
    smtp._certificates.cache_clear()


def _self_signed(name: str) -> bytes:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + made.public_bytes(serialization.Encoding.PEM)


@contextlib.contextmanager
def mail_server(certificate: Path, *, is_tls: bool) -> Iterator[tuple[int, list[bytes]]]:
    """A mail server for one connection: TLS from the first byte, or after STARTTLS; its port and what it heard."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as raw:
            raw.settimeout(5)
            talk(context.wrap_socket(raw, server_side=True) if is_tls else raw, greet=True)

    def talk(line: socket.socket, *, greet: bool) -> None:
        file = line.makefile("rb")
        if greet:
            line.sendall(b"220 ready\r\n")
        is_mail = False
        while said := file.readline():
            heard.append(said.strip())
            is_mail = (is_mail or heard[-1] == b"DATA") and heard[-1] != b"."
            if is_mail and heard[-1] != b"DATA":
                continue
            line.sendall(ANSWERS.get(heard[-1].split(b" ")[0].upper(), b"250 ok") + b"\r\n")
            if heard[-1] == b"STARTTLS":
                talk(context.wrap_socket(line, server_side=True), greet=False)
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield int(listener.getsockname()[1]), heard
    listener.close()
    thread.join(timeout=5)


def keys_of(address: str) -> ChannelKeys:
    return ChannelKeys("email", "s", {"from": "orders@shop.example"}, {"email_url": address})


@pytest.mark.parametrize(("scheme", "is_tls"), [("smtps", True), ("smtp+tls", False)])
def test_mail_goes_to_the_server_of_the_name(certificate: Path, scheme: str, is_tls: bool) -> None:
    with mail_server(certificate, is_tls=is_tls) as (port, heard):
        keys = keys_of(f"{scheme}://shop:secret@localhost:{port}")
        send(keys, message_for(keys))

    assert any(said.startswith(b"AUTH PLAIN") for said in heard)
    assert b"rcpt TO:<wang@buyer.example>" in heard


@pytest.mark.parametrize(("scheme", "is_tls"), [("smtps", True), ("smtp+tls", False)])
def test_certificate_of_another_name_ends_it(certificate: Path, scheme: str, is_tls: bool) -> None:
    with mail_server(certificate, is_tls=is_tls) as (port, heard):
        error = error_of(keys_of(f"{scheme}://shop:secret@127.0.0.1:{port}"))

    assert (error.code, error.words) == ("bad_keys", "SSLCertVerificationError")
    assert [said for said in heard if said.startswith((b"AUTH", b"MAIL"))] == []
