"""Tencent Cloud's own example of its signature; its key is published as asterisks, and was computed with them."""

from __future__ import annotations

from ordersite.messaging.senders.tencent_sms.signature import SignedCall, authorization

STARS = "*" * 32
BODY = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'


def test_published_example() -> None:
    call = SignedCall(
        url="https://cvm.tencentcloudapi.com/",
        host="cvm.tencentcloudapi.com",
        service="cvm",
        action="DescribeInstances",
        body=BODY,
        timestamp=1551113065,
    )

    value = authorization(call, secret_id=f"AKID{STARS}", secret_key=STARS)

    assert value == (
        f"TC3-HMAC-SHA256 Credential=AKID{STARS}/2019-02-25/cvm/tc3_request, "
        "SignedHeaders=content-type;host;x-tc-action, "
        "Signature=10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f"
    )
