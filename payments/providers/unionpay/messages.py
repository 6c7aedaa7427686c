"""Signs our messages to UnionPay and verifies UnionPay's (全渠道 ACP, version 5.1.0, signMethod 01).

The signed text is all fields but `signature` that are not empty, sorted, `k=v` joined by `&`, in the message's own
character set; what is signed with SHA256withRSA is the lower-case hex of its SHA-256. The signer's certificate travels
in the message, its line breaks are part of the text. Source: yansongda/pay UnipayTrait, UnionPay's acp_sdk.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from ordersite.lib.crypto import strict_base64
from payments.providers.answers import decode_answer
from payments.providers.certificates import (
    TrustedKey,
    UntrustedCertificate,
    common_name,
    may_sign_certificates,
    read_certificate,
    read_certificates,
    verify_chain,
)
from payments.providers.errors import Rejected
from payments.providers.form_body import (
    CODECS,
    MAX_FIELDS,
    PAIR_ENDS,
    check_one_reading,
    decode_form,
    signed_text,
    split_text,
)
from payments.providers.rsa_keys import is_signed, private_key, sign
from payments.providers.types import AccountKeys

VERSION = "5.1.0"
SIGN_METHOD = "01"
# The third part of the signer's name between the @: `041@…@中国银联股份有限公司@…` (acp_sdk, UNIONPAY_CNNAME).
SIGNER = "中国银联股份有限公司"
_SIGNED_CERTIFICATE = b"signPubKeyCert"
# An ampersand inside braces belongs to a list of fields that is one value.
_PAIR_ENDS = re.compile(rb"\{[^{}]*\}|" + PAIR_ENDS.pattern)


def signed_digest(fields: Mapping[bytes, bytes]) -> bytes:
    """The bytes that are signed: the lower-case hex of the SHA-256 over the fields."""
    return hashlib.sha256(signed_text(fields, _signed_names(fields))).hexdigest().encode()


def _signed_names(fields: Mapping[bytes, bytes]) -> list[bytes]:
    return [name for name, value in fields.items() if name != b"signature" and value]


def signed_fields(fields: Mapping[str, str], keys: AccountKeys) -> dict[str, str]:
    """A request's fields with the common fields and the signature. Raises ValueError when our keys are unusable."""
    common = {
        "version": VERSION,
        "encoding": "utf-8",
        "signMethod": SIGN_METHOD,
        "certId": str(read_certificate(keys.secret("sign_cert")).serial_number),
        "accessType": "0",
        "merId": keys.config.get("mer_id", ""),
    }
    whole = {name: value for name, value in {**common, **fields}.items() if value}
    raw = {name.encode(): value.encode() for name, value in whole.items()}
    return whole | {"signature": sign(private_key(keys.secret("sign_key")), signed_digest(raw))}


def split_response(body: bytes) -> dict[bytes, bytes]:
    """Parse a response: pairs as in a form, but not percent-encoded, with `{…}` around lists of pairs.

    Raises `Rejected`. The length is not bounded here, since a file arrives this way; the HTTP gateway bounds it.
    Source: acp_sdk, parseQString without decoding.
    """
    segments = split_text(body, _PAIR_ENDS)
    if len(segments) > MAX_FIELDS:
        raise Rejected("malformed", "too many fields")
    pairs: dict[bytes, bytes] = {}
    for segment in segments:
        name, sign_of_equality, value = segment.partition(b"=")
        if not name or not sign_of_equality:
            raise Rejected("malformed", "not an answer")
        if name in pairs:
            raise Rejected("duplicate_key", name[:40].decode("utf-8", "replace"))
        pairs[name] = value
    return pairs


def verified_fields(form: Mapping[bytes, bytes], keys: AccountKeys, *, at: datetime) -> dict[str, str]:
    """The fields of a message that UnionPay has signed, without empty ones, which are not signed. Raises `Rejected`.

    `at` (UTC) is the time at which the signer's certificates must be valid.
    """
    codec = CODECS.get(declared_encoding(form) or "utf-8")
    if codec is None:
        raise Rejected("bad_charset", declared_encoding(form)[:40])
    return decode_form(verified_pairs(form, keys, at=at), codec)


def verified_answer(form: Mapping[bytes, bytes], keys: AccountKeys, *, at: datetime) -> dict[str, str]:
    """Like `verified_fields`, for an answer to a call of ours: its bytes decide where `encoding` does not fit them."""
    filled = verified_pairs(form, keys, at=at)
    try:
        codec = decode_answer(b"&".join(filled.values()), declared_encoding(form)).codec
    except ValueError as error:
        raise Rejected("bad_charset", str(error)) from error
    return decode_form(filled, codec)


def declared_encoding(form: Mapping[bytes, bytes]) -> str:
    """The character set that a message names, in lower case; empty where it names none."""
    return form.get(b"encoding", b"").decode("ascii", "replace").lower()


def verified_pairs(form: Mapping[bytes, bytes], keys: AccountKeys, *, at: datetime) -> dict[bytes, bytes]:
    """The bytes of a message that UnionPay has signed, without empty fields. Raises `Rejected`."""
    filled = {name: value for name, value in form.items() if value}
    for name in (b"signature", _SIGNED_CERTIFICATE, b"signMethod", b"version"):
        if name not in filled:
            raise Rejected("missing_field", name.decode())
    # The method is fixed here, never chosen by the message: version 5.0.0 would be SHA-1.
    if (filled[b"signMethod"], filled[b"version"]) != (SIGN_METHOD.encode(), VERSION.encode()):
        raise Rejected("wrong_sign_type", "signMethod or version")
    _check_signature(filled, keys, at)
    return filled


def _check_signature(filled: Mapping[bytes, bytes], keys: AccountKeys, at: datetime) -> None:
    try:
        signature = strict_base64(filled[b"signature"])
        key = _signer(filled[_SIGNED_CERTIFICATE].decode("ascii"), keys).at(at)
    except UntrustedCertificate as error:
        raise Rejected("bad_signature", f"signPubKeyCert: {error}") from error
    except ValueError as error:
        raise Rejected("bad_signature", str(error)[:100]) from error
    if not is_signed(key, signed_digest(filled), signature):
        raise Rejected("bad_signature")
    check_one_reading(filled, _signed_names(filled), _PAIR_ENDS)


def _signer(certificate: str, keys: AccountKeys) -> TrustedKey:
    return trusted_signer(
        certificate,
        keys.secret("root_cert"),
        keys.secret("middle_cert"),
        expected=keys.config.get("expected_cn") or SIGNER,
    )


# The cache key holds every input, so that a changed account is verified anew; failures are not cached.
@lru_cache(maxsize=128)
def trusted_signer(certificate: str, root: str, middle: str, *, expected: str) -> TrustedKey:
    """The key of a certificate that was issued to `expected` under this root. Raises `UntrustedCertificate`.

    The validity period is compared in `TrustedKey.at`.
    """
    try:
        chain = read_certificates(certificate)
        roots, between = read_certificates(root), read_certificates(middle)
    except ValueError as error:
        raise UntrustedCertificate("unreadable") from error
    if signer_name(common_name(chain[0])) != expected:
        raise UntrustedCertificate("wrong_name")
    # Only the message's first certificate counts: intermediates are taken from the account, never from the message.
    roots = tuple(one for one in roots if may_sign_certificates(one))
    return verify_chain(chain[:1], roots=roots, middle=between)


def signer_name(name: str) -> str:
    """The part of a common name that names the owner; the whole name where it has no parts."""
    parts = name.split("@")
    return parts[2] if len(parts) > 2 else name
