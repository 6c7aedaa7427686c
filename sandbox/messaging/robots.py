"""Simulates the robots of group chats: DingTalk (signed address), Feishu (signed body), WeCom (secret address).

Each writes into one group, whose name in the inbox is the channel's. DingTalk and WeCom take 20 messages a minute, Feishu
100; DingTalk is silent for ten minutes after that, here for one.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl

from sandbox.carrier import counts
from sandbox.formats import now
from sandbox.messaging import inbox
from sandbox.messaging.inbox import NewMessage
from sandbox.trouble import troubled
from sandbox.web import Request, Response, json_response, read_json
from sandbox.world import World

DINGTALK, FEISHU, WECOM = (
    "/dingtalk/robot/send",
    "/feishu/open-apis/bot/v2/hook/",
    "/wecom/cgi-bin/webhook/send",
)
DINGTALK_TOKEN, DINGTALK_SECRET = "sandboxdingtalktoken", "SECsandboxdingtalksecret"
FEISHU_TOKEN, FEISHU_SECRET = "sandbox-feishu-hook", "sandboxfeishusecret"
WECOM_KEY = "sandbox-wecom-key"
GROUP = "group"
FRESH_SECONDS = 3600
_A_MINUTE = {"dingtalk": 20, "feishu": 100, "wecom": 20}
_TOO_FAST = {
    "dingtalk": (130101, "send too fast, exceed 20 times per minute"),
    "feishu": (11232, "create message trigger rate limit"),
    "wecom": (45009, "api freq out of limit"),
}
_BAD_SIGNATURE = {
    "dingtalk": (310000, "sign not match"),
    "feishu": (19021, "sign match fail or timestamp is not within one hour from current time"),
    "wecom": (93000, "invalid webhook url"),
}


class RobotRefusal(Exception):
    """A call that is answered with an error code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code)
        self.code, self.message = code, message


def handle_robot(world: World, request: Request) -> Response:
    """The address of any of the three. Raises HangUp under faults."""
    channel = request.path.split("/")[1]
    return troubled(
        world, target=f"{channel}.send", work=lambda active: _answer(world, request, channel, active)
    )


def _answer(world: World, request: Request, channel: str, active: Mapping[str, float]) -> Response:
    counts.count(world.store, f"{channel}.send")
    names = ("code", "msg") if channel == "feishu" else ("errcode", "errmsg")
    try:
        body = read_json(request.body)
        if "bad_signature" in active:
            raise RobotRefusal(*_BAD_SIGNATURE[channel])
        _CHECKS[channel](request, body)
        text = _text(channel, body)
        with world.store.transaction():
            _take(world, channel, text, is_throttled="throttled" in active)
    except RobotRefusal as refusal:
        return json_response({names[0]: refusal.code, names[1]: refusal.message})
    except ValueError:
        return json_response({names[0]: 9499 if channel == "feishu" else 40035, names[1]: "Bad Request"})
    if "bad_gateway" in active:
        return Response(502, b"<html><body>502 Bad Gateway</body></html>", "text/html")
    return json_response({names[0]: 0, names[1]: "success" if channel == "feishu" else "ok"})


def _take(world: World, channel: str, text: str, *, is_throttled: bool) -> None:
    seen = inbox.count_since(world.store, channel=channel, recipient=GROUP, since=now() - 60)
    is_over = seen >= _A_MINUTE[channel] and bool(world.store.tuned("message_limits", 1))
    if is_throttled or is_over:
        raise RobotRefusal(*_TOO_FAST[channel])
    inbox.take_message(world.store, NewMessage(channel=channel, recipient=GROUP, vendor_id="", text=text))


def _check_dingtalk(request: Request, body: Mapping[str, object]) -> None:
    wanted = dict(parse_qsl(request.query, keep_blank_values=True))
    if wanted.get("access_token") != DINGTALK_TOKEN:
        raise RobotRefusal(300001, "token is not exist")
    stamp = wanted.get("timestamp", "")
    if not _is_fresh(stamp, thousandths=True):
        raise RobotRefusal(310000, "invalid timestamp")
    right = hmac.new(
        DINGTALK_SECRET.encode(), f"{stamp}\n{DINGTALK_SECRET}".encode(), hashlib.sha256
    ).digest()
    if not hmac.compare_digest(base64.b64encode(right).decode(), wanted.get("sign", "")):
        raise RobotRefusal(*_BAD_SIGNATURE["dingtalk"])


def _check_feishu(request: Request, body: Mapping[str, object]) -> None:
    if request.path != f"{FEISHU}{FEISHU_TOKEN}":
        raise RobotRefusal(19001, "param invalid: incoming webhook access token invalid")
    stamp = str(body.get("timestamp"))
    right = base64.b64encode(hmac.new(f"{stamp}\n{FEISHU_SECRET}".encode(), b"", hashlib.sha256).digest())
    is_right = hmac.compare_digest(right, str(body.get("sign")).encode())
    if not is_right or not _is_fresh(stamp, thousandths=False):
        raise RobotRefusal(*_BAD_SIGNATURE["feishu"])


def _check_wecom(request: Request, body: Mapping[str, object]) -> None:
    if dict(parse_qsl(request.query)).get("key") != WECOM_KEY:
        raise RobotRefusal(*_BAD_SIGNATURE["wecom"])


_CHECKS = {"dingtalk": _check_dingtalk, "feishu": _check_feishu, "wecom": _check_wecom}


def _is_fresh(stamp: str, *, thousandths: bool) -> bool:
    if not stamp.isascii() or not stamp.isdigit():
        return False
    return abs(int(stamp) / (1000 if thousandths else 1) - time.time()) < FRESH_SECONDS


def _text(channel: str, body: Mapping[str, object]) -> str:
    kind, part = ("msg_type", "content") if channel == "feishu" else ("msgtype", "text")
    content = body.get(part)
    text = content.get("text" if channel == "feishu" else "content") if isinstance(content, dict) else None
    if body.get(kind) != "text" or not isinstance(text, str) or not text:
        raise ValueError("no text")
    if channel == "wecom" and len(text.encode()) > 2048:
        raise RobotRefusal(40058, "content exceed max length. invalid Request Parameter")
    return text
