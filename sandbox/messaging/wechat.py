"""Simulates WeChat's messages of a service account: access tokens, template messages, subscription messages.

Everybody follows the account until the control API says otherwise; nobody has agreed to a subscription message. A token
of `/cgi-bin/token` ends the one before; that of `/cgi-bin/stable_token` stays the same until five minutes before its end.
"""

import re
import secrets
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from sandbox.carrier import counts
from sandbox.formats import now
from sandbox.messaging import inbox, templates
from sandbox.messaging.inbox import NewMessage
from sandbox.store import Store
from sandbox.trouble import troubled
from sandbox.web import Request, Response, json_response, read_json
from sandbox.world import World

PREFIX, SECRET = "/wechat", "SANDBOXWECHATSECRET00000000000000"
TOKEN_SECONDS, EARLY_SECONDS, SAME_SECONDS = 7200, 300, 600
_MESSAGES = {
    -1: "system error", 40001: "invalid credential, access_token is invalid or not latest", 40003: "invalid openid",
    40013: "invalid appid", 40037: "invalid template_id", 40125: "invalid appsecret", 42001: "access_token expired",
    43004: "require subscribe", 43101: "user refuse to accept the msg", 43117: "send too often to this user",
    45009: "reach max api daily quota limit", 45011: "api minute-quota reach limit, must slower, retry next minute",
    47001: "data format error",
}  # fmt: skip
_BEFORE_WORK = {
    "system_busy": -1, "not_follower": 43004, "too_often": 43117, "limit": 45009, "throttled": 45011, "bad_number": 40003,
}  # fmt: skip
_OPENID = re.compile(r"[0-9A-Za-z_-]{3,128}", re.ASCII)
Body = Mapping[str, object]


class WechatRefusal(Exception):
    """A call that is answered with an error code."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(code)
        self.code, self.message = code, message or _MESSAGES[code]


def handle_wechat(world: World, request: Request) -> Response:
    """`/wechat/cgi-bin/…`. Raises HangUp under faults."""
    operation = _OPERATIONS.get((request.method, request.path.removeprefix(PREFIX)))
    if operation is None:
        return json_response({"errcode": 40066, "errmsg": "invalid url"})
    target, work = operation
    return troubled(world, target=target, work=lambda active: _answer(world, request, (target, work), active))


def _answer(
    world: World,
    request: Request,
    operation: tuple[str, Callable[[World, Request], dict[str, object]]],
    active: Mapping[str, float],
) -> Response:
    target, work = operation
    counts.count(world.store, target)
    try:
        if "wrong_token" in active:
            end_tokens(world.store)
        for fault, code in _BEFORE_WORK.items():
            if fault in active:
                raise WechatRefusal(code)
        content = work(world, request)
    except WechatRefusal as refusal:
        words = f"{refusal.message} rid: {secrets.token_hex(4)}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"
        return json_response({"errcode": refusal.code, "errmsg": words})
    if "bad_gateway" in active:
        return Response(502, b"<html><body>502 Bad Gateway</body></html>", "text/html")
    return json_response(content)


def _plain_token(world: World, request: Request) -> dict[str, object]:
    wanted = dict(parse_qsl(request.query))
    _check_account(world, wanted)
    end_tokens(world.store)
    return _new_token(world)


def _stable_token(world: World, request: Request) -> dict[str, object]:
    body = _json(request)
    _check_account(world, body)
    if body.get("force_refresh") is True:
        end_tokens(world.store)
    row = world.store.row(
        "SELECT value, expires_at FROM wechat_tokens WHERE is_valid AND expires_at > ? ORDER BY expires_at DESC",
        now() + EARLY_SECONDS,
    )
    if row is None:
        return _new_token(world)
    return {"access_token": row["value"], "expires_in": int(row["expires_at"] - now())}


def _check_account(world: World, given: Mapping[str, object]) -> None:
    if given.get("grant_type") != "client_credential":
        raise WechatRefusal(40002, "invalid grant_type")
    if given.get("appid") != world.settings.appid:
        raise WechatRefusal(40013)
    if given.get("secret") != SECRET:
        raise WechatRefusal(40125)


def _new_token(world: World) -> dict[str, object]:
    value = f"90_{secrets.token_urlsafe(90)}"
    seconds = world.store.tuned("wechat_token_seconds", TOKEN_SECONDS)
    world.store.rows("INSERT INTO wechat_tokens VALUES (?, ?, 1)", value, now() + seconds)
    return {"access_token": value, "expires_in": int(seconds)}


def end_tokens(store: Store) -> None:
    """Make every token invalid."""
    store.rows("UPDATE wechat_tokens SET is_valid = 0")


def _send_template(world: World, request: Request) -> dict[str, object]:
    body = _checked(world, request)
    person, key = str(body["touser"]), str(body.get("client_msg_id") or "")
    if world.store.row("SELECT 1 FROM wechat_unfollowed WHERE openid = ?", person):
        raise WechatRefusal(43004)
    with world.store.transaction():
        same = key and inbox.same_again(
            world.store, channel="wechat_template", recipient=person, key=key, seconds=SAME_SECONDS
        )
        number = same or str(secrets.randbelow(10**18) + 10**18)
        if not same:
            _keep(world.store, "wechat_template", body, number, link=str(body.get("url") or ""))
    return {"errcode": 0, "errmsg": "ok", "msgid": int(number)}


def _send_subscription(world: World, request: Request) -> dict[str, object]:
    body = _checked(world, request)
    number = str(secrets.randbelow(10**18) + 10**18)
    with world.store.transaction():
        used = world.store.row(
            "UPDATE wechat_consents SET left = left - 1 WHERE openid = ? AND template = ? AND left > 0 RETURNING left",
            str(body["touser"]), str(body["template_id"]),
        )  # fmt: skip
        if used is None:
            raise WechatRefusal(43101)
        _keep(world.store, "wechat_subscribe", body, number, link=str(body.get("page") or ""))
    return {"errcode": 0, "errmsg": "ok", "msgid": int(number)}


def _checked(world: World, request: Request) -> Body:
    """The body of a message that may be sent, but for its reader's consent."""
    token = dict(parse_qsl(request.query)).get("access_token", "")
    row = world.store.row("SELECT is_valid, expires_at FROM wechat_tokens WHERE value = ?", token)
    if row is None or not row["is_valid"]:
        raise WechatRefusal(40001)
    if row["expires_at"] <= now():
        raise WechatRefusal(42001)
    body = _json(request)
    fields = templates.wechat_fields(world.store, str(body.get("template_id")))
    if fields is None:
        raise WechatRefusal(40037)
    if not _OPENID.fullmatch(str(body.get("touser") or "")):
        raise WechatRefusal(40003)
    data = body.get("data")
    values = data if isinstance(data, dict) else {}
    for name in fields:
        value = values.get(name)
        problem = templates.field_problem(name, value.get("value") if isinstance(value, dict) else None)
        if problem:
            raise WechatRefusal(47003, f"argument invalid! {problem}")
    return body


def _json(request: Request) -> Body:
    try:
        return read_json(request.body)
    except ValueError:
        raise WechatRefusal(47001) from None


def _keep(store: Store, channel: str, body: Body, number: str, *, link: str) -> None:
    data = body["data"]
    params = {name: str(one["value"]) for name, one in data.items()} if isinstance(data, dict) else {}
    inbox.take_message(
        store,
        NewMessage(
            channel=channel, recipient=str(body["touser"]), vendor_id=number, key=str(body.get("client_msg_id") or ""),
            text=" · ".join(params.values()), template=str(body["template_id"]), link=link, params=params,
            has_report=True,
        ),
    )  # fmt: skip


_OPERATIONS: Mapping[tuple[str, str], tuple[str, Callable[[World, Request], dict[str, object]]]] = {
    ("GET", "/cgi-bin/token"): ("wechat.token", _plain_token),
    ("POST", "/cgi-bin/stable_token"): ("wechat.token", _stable_token),
    ("POST", "/cgi-bin/message/template/send"): ("wechat_template.send", _send_template),
    ("POST", "/cgi-bin/message/subscribe/bizsend"): ("wechat_subscribe.send", _send_subscription),
}


def agree(store: Store, *, openid: str, template: str, times: int) -> None:
    """Note that a reader agrees to so many subscription messages of a template."""
    store.rows(
        "INSERT INTO wechat_consents VALUES (?, ?, ?) ON CONFLICT (openid, template)"
        " DO UPDATE SET left = left + excluded.left",
        openid, template, times,
    )  # fmt: skip


def follow(store: Store, *, openid: str, is_following: bool) -> None:
    """Have a reader follow the account, or no longer."""
    store.rows("DELETE FROM wechat_unfollowed WHERE openid = ?", openid)
    if not is_following:
        store.rows("INSERT INTO wechat_unfollowed VALUES (?)", openid)
