"""Aliyun's own example of its signature."""

from __future__ import annotations

from ordersite.messaging.senders.aliyun_sms.signature import NO_BODY, authorization, query_of

# help.aliyun.com/document_detail/2593177.html, "fixed parameter values".
PARAMETERS = {"ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", "RegionId": "cn-shanghai"}
HEADERS = {
    "host": "ecs.cn-shanghai.aliyuncs.com",
    "x-acs-action": "RunInstances",
    "x-acs-content-sha256": NO_BODY,
    "x-acs-date": "2023-10-26T10:22:32Z",
    "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
    "x-acs-version": "2014-05-26",
}


def test_published_example() -> None:
    url = f"https://ecs.cn-shanghai.aliyuncs.com/?{query_of(PARAMETERS)}"

    value = authorization(url, HEADERS, key_id="YourAccessKeyId", secret="YourAccessKeySecret")

    assert value == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,"
        "SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_query_is_sorted_and_encoded() -> None:
    assert query_of({"b": "a b+*~", "A": "中/"}) == "A=%E4%B8%AD%2F&b=a%20b%2B%2A~"
