"""Which certificates are believed, and for how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from payments.providers.certificates import (
    MAX_TEXT,
    REASONS,
    UntrustedCertificate,
    common_name,
    is_certificate,
    read_certificate,
    read_certificates,
    rsa_key,
    verify_chain,
)
from payments.providers.tests.authority import BEGINS, ENDS, Issued, dn, issue

PAYLOADS = Path(__file__).parent / "payloads"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
ROOT = issue("Root", key="root", ca=2)
MIDDLE = issue("Middle", key="middle", by=ROOT, ca=0)
LEAF = issue("Signer", key="leaf", by=MIDDLE)


def refusal(
    *chain: Issued,
    roots: tuple[Issued, ...] = (ROOT,),
    middle: tuple[Issued, ...] = (),
) -> str:
    with pytest.raises(UntrustedCertificate) as caught:
        follow(*chain, roots=roots, middle=middle)
    assert caught.value.message == str(REASONS[caught.value.code])
    return caught.value.code


def follow(
    *chain: Issued,
    roots: tuple[Issued, ...] = (ROOT,),
    middle: tuple[Issued, ...] = (),
) -> object:
    trusted = verify_chain(
        [one.certificate for one in chain],
        roots=[one.certificate for one in roots],
        middle=[one.certificate for one in middle],
    )
    return trusted.at(NOW)


def test_intermediate_of_message_or_account() -> None:
    assert follow(LEAF, MIDDLE) == LEAF.certificate.public_key()
    assert follow(LEAF, middle=(MIDDLE,)) == LEAF.certificate.public_key()
    assert follow(issue("Direct", key="leaf", by=ROOT))


def test_missing_intermediate() -> None:
    assert refusal(LEAF) == "no_path"


def test_self_made_chain_with_the_right_names() -> None:
    fake_root = issue("Root", key="stranger", ca=2)
    fake_middle = issue("Middle", key="stranger2", by=fake_root, ca=0)
    fake = issue("Signer", key="leaf", by=fake_middle)
    assert refusal(fake, fake_middle, fake_root) == "no_path"
    assert refusal(fake, middle=(MIDDLE,)) == "no_path"
    assert refusal(issue("Signer", key="leaf")) == "no_path"


def test_message_signer_may_not_issue() -> None:
    forged = issue("Signer", key="stranger", by=LEAF)
    assert refusal(forged, LEAF, MIDDLE) == "no_path"
    assert refusal(forged, LEAF, middle=(MIDDLE,)) == "no_path"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"usage": None, "basic": False}, "no_path"),
        ({"usage": ("digital_signature",), "basic": False}, "no_path"),
        ({"usage": ("digital_signature",), "ca": 0}, "no_path"),
        ({"usage": ("key_cert_sign",), "basic": False}, ""),
        ({"usage": None, "ca": 0}, ""),
    ],
)
def test_arriving_intermediate_needs_its_flag(changes: dict[str, object], code: str) -> None:
    middle = issue("Middle", key="middle", by=ROOT, **changes)  # type: ignore[arg-type]
    leaf = issue("Signer", key="leaf", by=middle)
    if code:
        assert refusal(leaf, middle) == code
    # One that stands in the account is believed as it is: Alipay's sandbox has such a one.
    assert follow(leaf, middle=(middle,))


def test_path_length() -> None:
    below = issue("Below", key="below", by=MIDDLE, ca=0)
    assert refusal(issue("Signer", key="leaf", by=below), below, MIDDLE) == "no_path"


def test_validity_is_checked_at_each_use() -> None:
    trusted = verify_chain([LEAF.certificate, MIDDLE.certificate], roots=[ROOT.certificate])
    assert (trusted.begins_at, trusted.ends_at) == (BEGINS, ENDS)
    for moment, code in (
        (ENDS + timedelta(seconds=1), "expired"),
        (BEGINS - timedelta(days=1), "not_yet_valid"),
    ):
        with pytest.raises(UntrustedCertificate) as caught:
            trusted.at(moment)
        assert caught.value.code == code


def test_expired_intermediate() -> None:
    past, future = NOW - timedelta(days=1), NOW + timedelta(days=1)
    assert refusal(issue("Signer", key="leaf", by=ROOT, ends_at=past)) == "expired"
    assert refusal(issue("Signer", key="leaf", by=ROOT, begins_at=future)) == "not_yet_valid"
    old_middle = issue("Middle", key="middle", by=ROOT, ca=0, ends_at=past)
    assert refusal(issue("Signer", key="leaf", by=old_middle), old_middle) == "expired"


def test_sha1_is_not_trusted() -> None:
    leaf, root = read_certificates((PAYLOADS / "sha1_chain.pem").read_text())
    with pytest.raises(UntrustedCertificate) as caught:
        verify_chain([leaf], roots=[root])
    assert caught.value.code == "weak_hash"


def test_small_keys_and_wrong_uses() -> None:
    assert refusal(issue("Signer", key="small", by=ROOT)) == "unreadable"
    assert refusal(issue("Signer", key="leaf", by=ROOT, usage=("key_cert_sign",))) == "wrong_use"
    assert refusal(issue("Signer", key="leaf", by=ROOT, usage=("key_encipherment",))) == "wrong_use"
    assert follow(issue("Signer", key="leaf", by=ROOT, usage=None))
    assert refusal(issue("Root", key="root", ca=1), roots=(ROOT,)) == "wrong_use"


def test_root_may_not_sign_messages() -> None:
    root = issue("Root", key="root", ca=0, usage=None)
    assert refusal(root, roots=(root,)) == "wrong_use"


def test_parsing() -> None:
    text = f"Bag Attributes\r\n{LEAF.pem}\n{MIDDLE.pem}".replace("\n", "\r\n")
    assert [common_name(one) for one in read_certificates(text)] == ["Signer", "Middle"]
    assert common_name(read_certificate(text)) == "Signer"
    assert is_certificate(text)
    for junk in ("", "x", LEAF.pem[:-40], LEAF.pem.replace("MII", "MIX"), LEAF.pem + " " * MAX_TEXT):
        with pytest.raises(ValueError, match="certificate"):
            read_certificates(junk)


def test_other_kinds_of_key() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder().subject_name(dn(CN="EC")).issuer_name(dn(CN="EC"))
    builder = (
        builder.public_key(key.public_key()).serial_number(7).not_valid_before(BEGINS).not_valid_after(ENDS)
    )
    pem = builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()
    with pytest.raises(ValueError, match="RSA"):
        rsa_key(read_certificate(pem))
