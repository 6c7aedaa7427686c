"""Control calls about messages: what people got, consents, followers, tokens, templates, addresses of reports."""

from collections.abc import Callable, Mapping
from html import escape
from urllib.parse import parse_qsl, urlsplit

from sandbox.control.trades import BadControl
from sandbox.formats import beijing, from_iso
from sandbox.messaging import inbox, reports, templates, wechat
from sandbox.pages import render
from sandbox.web import Response, html_response, json_response
from sandbox.world import World

Body = Mapping[str, object]
_LABELS = {
    "aliyun_sms": "阿里云短信", "tencent_sms": "腾讯云短信", "wechat_template": "微信模板消息",
    "wechat_subscribe": "微信订阅通知", "email": "邮件", "dingtalk": "钉钉", "feishu": "飞书", "wecom": "企业微信",
}  # fmt: skip
_TEMPLATES_OF = ("aliyun_sms", "tencent_sms", "wechat")


def list_messages(world: World, query: str) -> Response:
    """`?recipient=&channel=`: what one person got, or everybody, newest first."""
    wanted = dict(parse_qsl(query))
    found = inbox.describe_messages(
        world.store, recipient=wanted.get("recipient", ""), channel=wanted.get("channel", "")
    )
    return json_response({"messages": found})


def inbox_page(world: World, query: str) -> Response:
    """The same as a page for people, as on a telephone."""
    recipient = dict(parse_qsl(query)).get("recipient", "")
    found = inbox.describe_messages(world.store, recipient=recipient)
    people = list(dict.fromkeys(str(one["recipient"]) for one in inbox.describe_messages(world.store)))
    page = render("inbox.html", recipient=recipient)
    empty = '<div class="empty">暂无消息 Nothing yet</div>'
    cards = "".join(map(_card, found)) or f'<section class="card">{empty}</section>'
    return html_response(page.replace("@people@", "".join(map(_option, people))).replace("@messages@", cards))


def _option(person: str) -> str:
    return f'<option value="{escape(person)}"></option>'


def _card(message: Mapping[str, object]) -> str:
    channel, params = str(message["channel"]), message["params"]
    values = params if isinstance(params, dict) else {}
    shown = {} if channel.endswith("_sms") or channel == "email" else values
    rows = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>" for name, value in shown.items()
    )
    text = "" if rows else f"<p>{escape(str(message['text']))}</p>"
    subject = f"<h2>{escape(str(values.get('subject', '')))}</h2>" if channel == "email" else ""
    link = str(message["link"])
    usable = link if urlsplit(link).scheme in ("http", "https") else ""
    button = f'<p><a href="{escape(usable)}">打开链接 Open</a></p>' if usable else ""
    head = f"{_LABELS.get(channel, channel)} · {escape(str(message['recipient']))}"
    clock = beijing(from_iso(str(message["at"])))
    details = f"<dl>{rows}</dl>" if rows else ""
    return f'<section class="card message"><p class="note">{head} · {clock}</p>{subject}{text}{details}{button}</section>'


def _forget(world: World, body: Body) -> Response:
    inbox.forget(world.store)
    return json_response({"messages": []})


def _report_address(world: World, body: Body) -> Response:
    """Where a vendor reports deliveries to, as one says in its console; empty: nowhere."""
    channel, url = str(body.get("channel")), str(body.get("url") or "")
    if channel not in reports.CHANNELS:
        raise BadControl("this channel reports nothing")
    if url and urlsplit(url).scheme not in ("http", "https"):
        raise BadControl("url is not an http address")
    reports.set_address(world.store, channel, url)
    return json_response({"channel": channel, "url": url})


def _consent(world: World, body: Body) -> Response:
    """A reader agrees to `times` (1) subscription messages of a template."""
    times = body.get("times", 1)
    if isinstance(times, bool) or not isinstance(times, int) or times < 1:
        raise BadControl("times is not a number")
    wechat.agree(world.store, openid=_needed(body, "openid"), template=_needed(body, "template"), times=times)
    return json_response({"openid": body["openid"]}, status=201)


def _follower(world: World, body: Body) -> Response:
    is_following = body.get("is_following") is not False
    wechat.follow(world.store, openid=_needed(body, "openid"), is_following=is_following)
    return json_response({"openid": body["openid"], "is_following": is_following})


def _wechat_token(world: World, body: Body) -> Response:
    """End all access tokens; `seconds` says how long the next ones live."""
    wechat.end_tokens(world.store)
    seconds = body.get("seconds")
    if isinstance(seconds, int | float) and seconds > 0:
        world.store.tune("wechat_token_seconds", float(seconds))
    return json_response({"ended": True})


def _template(world: World, body: Body) -> Response:
    channel = _needed(body, "channel")
    if channel not in _TEMPLATES_OF:
        raise BadControl("this channel has no templates")
    templates.add_template(
        world.store, channel=channel, template=_needed(body, "template"), text=_needed(body, "text")
    )
    return json_response({"template": body["template"]}, status=201)


def _needed(body: Body, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise BadControl(f"{name} is missing")
    return value


PAGES: Mapping[tuple[str, str], Callable[[World, str], Response]] = {
    ("GET", "/control/messages"): list_messages,
    ("GET", "/control/inbox"): inbox_page,
}
HANDLERS: Mapping[tuple[str, str], Callable[[World, Body], Response]] = {
    ("DELETE", "/control/messages"): _forget,
    ("POST", "/control/report_address"): _report_address,
    ("POST", "/control/consent"): _consent,
    ("POST", "/control/follower"): _follower,
    ("POST", "/control/wechat_token"): _wechat_token,
    ("POST", "/control/message_template"): _template,
}
