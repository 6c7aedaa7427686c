"""What both kinds of WeChat's messages share: access token, call, error codes, delivery events.

Sources: developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken.html (token),
developers.weixin.qq.com/doc/service/api/notify/template/api_sendtemplatemessage.html (codes, TEMPLATESENDJOBFINISH),
developers.weixin.qq.com/doc/service/api/notify/notify/api_sendnewsubscribemsg.html (codes, subscribe_msg_sent_event).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ordersite.lib.http import Gateway, Reply
from ordersite.lib.outgoing.addresses import address_problems
from ordersite.messaging.senders.exchange import (
    JSON,
    code_of,
    json_body,
    post,
    read_object,
    secrets_of,
    text_of,
    without,
)
from ordersite.messaging.senders.interface import Sender
from ordersite.messaging.senders.templates import template_problems
from ordersite.messaging.senders.types import AccessToken, ChannelKeys, SendError, Sent
from ordersite.outside_accounts.files import missing_keys

CONFIG_KEYS = ("appid", "api_url", "templates")
SECRET_KEYS = ("app_secret",)
_BY_CODE: Mapping[str, str] = {
    "busy": "-1",
    "token_expired": "40001 40014 41001 42001 42007",
    "bad_address": "40003",
    "bad_template": "40036 40037",
    "no_consent": "43004 43101",
    "limit_reached": "43117 43116",
    "day_limit_reached": "45009",
    "throttled": "45011 45035",
    "bad_content": "41028 41029 41030 47001 47003 44002 44004 20001",
    "bad_keys": "40002 40013 40125 40164 40243 48001 48004 48006 50002 50004 61004 89503 89506 89507 89509",
}
CODES: Mapping[str, str] = {code: ours for ours, codes in _BY_CODE.items() for code in codes.split()}
# Where a token is fetched, 40001 is about the secret.
_TOKEN_CODES = {
    **CODES,
    "40001": "bad_keys",
    "45009": "day_limit_reached",
    "41004": "bad_keys",
    "41002": "bad_keys",
}


def problems_of(sender: Sender, keys: ChannelKeys) -> list[str]:
    """The problems of an account's keys, in the reader's language."""
    url = keys.config.get("api_url", "")
    problems = missing_keys(sender, keys) + (address_problems("api_url", url) if url else [])
    return problems + template_problems(keys)


def fetch_token(keys: ChannelKeys, gateway: Gateway) -> AccessToken:
    """Fetch the account's stable token: the same until it is about to end, so that two fetches harm no call.

    Raises `SendError`.
    """
    app_id, secret = str(keys.config.get("appid", "")), keys.secrets.get("app_secret", "")
    content = {"grant_type": "client_credential", "appid": app_id, "secret": secret}
    url = _url(keys, "/cgi-bin/stable_token")
    answer = read_object(post(gateway, url, content=json_body(content), headers=JSON))
    value, seconds = text_of(answer, "access_token"), answer.get("expires_in")
    if not value or not isinstance(seconds, int):
        raise _error(answer, _TOKEN_CODES, hidden=secrets_of(keys))
    return AccessToken(value, datetime.now(UTC) + timedelta(seconds=seconds))


def send(path: str, content: Mapping[str, Any], keys: ChannelKeys, gateway: Gateway, *, token: str) -> Sent:
    """Call an interface with a token. Raises `SendError`."""
    url = f"{_url(keys, path)}?access_token={token}"
    reply = post(gateway, url, content=json_body(content), headers=JSON)
    return _read(reply, hidden=(*secrets_of(keys), token, str(content.get("touser", ""))))


def data_of(params: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The values of a template's fields, on one line each: WeChat takes no line breaks."""
    return {name: {"value": " ".join(value.split())} for name, value in params.items()}


def _url(keys: ChannelKeys, path: str) -> str:
    return f"{str(keys.config.get('api_url', '')).rstrip('/')}{path}"


def _read(reply: Reply, *, hidden: tuple[str, ...]) -> Sent:
    answer = read_object(reply)
    if text_of(answer, "errcode") != "0":
        raise _error(answer, CODES, hidden=hidden)
    return Sent(text_of(answer, "msgid"))


def _error(answer: Mapping[str, Any], table: Mapping[str, str], *, hidden: tuple[str, ...]) -> SendError:
    code, words = text_of(answer, "errcode"), text_of(answer, "errmsg")
    ours = code_of(code, table, otherwise="refused" if code else "unknown")
    return SendError(ours, without(f"{code} {words}", hidden))
