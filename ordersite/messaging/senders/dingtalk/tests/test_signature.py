"""DingTalk's signature; the document has no example with a result, so it is computed here in its own words."""

from __future__ import annotations

import base64
import hashlib
import hmac

from ordersite.messaging.senders.dingtalk.adapter import sign

STAMP, SECRET = "1577262236757", "this is secret"


def test_time_stamp_is_signed_under_the_secret() -> None:
    text = f"{STAMP}\n{SECRET}"
    expected = base64.b64encode(
        hmac.new(b"this is secret", text.encode("utf-8"), digestmod=hashlib.sha256).digest()
    )

    assert sign(STAMP, SECRET) == expected.decode()
