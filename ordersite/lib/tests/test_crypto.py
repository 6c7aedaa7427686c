"""Field encryption, HMAC and strict base64."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordersite.lib.crypto import CannotDecrypt, KeyRing, key_id_of, mac, new_token, same, strict_base64

OLD = base64.b64encode(b"o" * 32).decode()
NEW = base64.b64encode(b"n" * 32).decode()
PLACE = "payments_paymentaccount.secrets.demo-alipay"


def test_a_sealed_text_opens_in_its_place() -> None:
    ring = KeyRing.parse(f"k1:{NEW}")
    token = ring.seal("密钥 ✓", bound_to=PLACE)
    assert token.startswith("v1:k1:")
    assert "密钥" not in token
    assert ring.open(token, bound_to=PLACE) == "密钥 ✓"


def test_the_same_text_is_never_sealed_alike() -> None:
    ring = KeyRing.parse(f"k1:{NEW}")
    assert ring.seal("a", bound_to=PLACE) != ring.seal("a", bound_to=PLACE)


def test_text_copied_to_another_row_stays_sealed() -> None:
    ring = KeyRing.parse(f"k1:{NEW}")
    token = ring.seal("a", bound_to=PLACE)
    with pytest.raises(CannotDecrypt):
        ring.open(token, bound_to="payments_paymentaccount.secrets.other")


def test_the_first_key_encrypts_and_all_decrypt() -> None:
    before = KeyRing.parse(f"old:{OLD}").seal("a", bound_to=PLACE)
    ring = KeyRing.parse(f"new:{NEW}, old:{OLD}")
    after = ring.seal("a", bound_to=PLACE)
    assert (key_id_of(before), key_id_of(after)) == ("old", "new")
    assert ring.open(before, bound_to=PLACE) == ring.open(after, bound_to=PLACE) == "a"
    with pytest.raises(CannotDecrypt):
        KeyRing.parse(f"new:{NEW}").open(before, bound_to=PLACE)


def test_the_key_id_is_bound_too() -> None:
    ring = KeyRing.parse(f"a:{NEW},b:{NEW}")
    token = ring.seal("x", bound_to=PLACE)
    with pytest.raises(CannotDecrypt):
        ring.open(token.replace("v1:a:", "v1:b:"), bound_to=PLACE)


RING = KeyRing.parse(f"k1:{NEW}")
SEALED = RING.seal("secret", bound_to=PLACE)


@given(place=st.integers(0, len(SEALED) - 1), other=st.characters())
def test_no_changed_text_opens(place: int, other: str) -> None:
    changed = SEALED[:place] + other + SEALED[place + 1 :]
    if changed != SEALED:
        with pytest.raises(CannotDecrypt):
            RING.open(changed, bound_to=PLACE)


@given(st.text(max_size=60))
def test_any_text_that_was_not_sealed_is_refused(text: str) -> None:
    with pytest.raises(CannotDecrypt):
        KeyRing.parse(f"k1:{NEW}").open(text, bound_to=PLACE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "k1",
        NEW,
        f":{NEW}",
        f"k 1:{NEW}",
        f"键:{NEW}",
        f"k1:{NEW[:-4]}",
        f"k1:{NEW},k1:{OLD}",
        f"k1:{NEW},",
        "k1:not base64",
        f"k1:{base64.b64encode(b'short').decode()}",
        f"k1:{NEW}=",
    ],
)
def test_malformed_ring_error_shows_no_key(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        KeyRing.parse(text)
    assert NEW[:20] not in str(caught.value)


def test_a_ring_does_not_show_its_keys() -> None:
    assert repr(KeyRing.parse(f"k1:{NEW}")) == "KeyRing()"


def test_mac_is_hmac_sha256() -> None:
    assert mac(b"key", b"data") == hmac.new(b"key", b"data", hashlib.sha256).hexdigest()


def test_same_takes_text_and_bytes() -> None:
    assert same("é", "é".encode())
    assert not same("a", "b")
    assert not same("\ud800", "b")


def test_tokens_differ_and_are_long() -> None:
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) == 43


@pytest.mark.parametrize("text", ["QUI=", "QQ==", ""])
def test_canonical_base64(text: str) -> None:
    assert base64.b64encode(strict_base64(text)).decode() == text


@pytest.mark.parametrize("text", ["QR==", "QQ=", "QQ", "Q Q==", "QQ==\n", "QQ--", "é===", "QQ==QQ=="])
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        strict_base64(text)
