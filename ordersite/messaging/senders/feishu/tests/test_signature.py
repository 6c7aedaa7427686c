"""Feishu's signature: of nothing, under the time stamp and the secret; computed here in the document's own words."""

from __future__ import annotations

import base64
import hashlib
import hmac

from ordersite.messaging.senders.feishu.adapter import sign


def test_nothing_is_signed_under_the_stamp() -> None:
    code = hmac.new(b"1599360473\nSEC", digestmod=hashlib.sha256).digest()

    assert sign("1599360473", "SEC") == base64.b64encode(code).decode()
