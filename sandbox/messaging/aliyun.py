"""Simulates Aliyun's text messages: SendSms with the signature ACS3-HMAC-SHA256, its limits and its errors.

The signature is computed from the request as it arrived: the headers that it names, the path, the raw query, the body.
"""

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

from sandbox.carrier import counts
from sandbox.formats import now
from sandbox.messaging import inbox, templates
from sandbox.messaging.inbox import NewMessage
from sandbox.store import Store
from sandbox.trouble import troubled
from sandbox.web import Request, Response, json_response, read_form
from sandbox.world import World

PATH, CHANNEL, TARGET = "/aliyun_sms/", "aliyun_sms", "aliyun_sms.send"
KEY_ID, SECRET, SIGN = "SANDBOXALIYUNID", "SANDBOXALIYUNSECRET", "演示商店"
FRESH_SECONDS, A_DAY = 900, 50
_AUTHORIZATION = re.compile(
    r"ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]{64})", re.ASCII
)
_MOBILE = re.compile(r"(?:86)?1[3-9][0-9]{9}", re.ASCII)
_BEFORE_WORK = {
    "throttled": (400, "Throttling.User", "Request was denied due to user flow control."),
    "bad_signature": (
        400,
        "SignatureDoesNotMatch",
        "Specified signature is not matched with our calculation.",
    ),
    "no_funds": (200, "isv.OUT_OF_SERVICE", "业务停机"),
    "limit": (200, "isv.BUSINESS_LIMIT_CONTROL", "触发小时级流控Permits:5"),
    "bad_number": (200, "isv.MOBILE_NUMBER_ILLEGAL", "号码不合法"),
}


class AliyunRefusal(Exception):
    """A call that is answered with an error code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


def handle_aliyun(world: World, request: Request) -> Response:
    """`POST /aliyun_sms/`. Raises HangUp under faults."""
    return troubled(world, target=TARGET, work=lambda active: _answer(world, request, active))


def _answer(world: World, request: Request, active: Mapping[str, float]) -> Response:
    request_id = secrets.token_hex(16).upper()
    try:
        counts.count(world.store, TARGET)
        _check_signature(world.store, request)
        for fault, refusal in _BEFORE_WORK.items():
            if fault in active:
                raise AliyunRefusal(*refusal)
        biz_id = _send(world, request)
    except AliyunRefusal as refusal:
        return json_response(
            {"RequestId": request_id, "Code": refusal.code, "Message": refusal.message}, status=refusal.status
        )
    if "bad_gateway" in active:
        return Response(502, b"<html><body>502 Bad Gateway</body></html>", "text/html")
    return json_response({"RequestId": request_id, "Code": "OK", "Message": "OK", "BizId": biz_id})


def _check_signature(store: Store, request: Request) -> None:
    found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if found is None:
        raise AliyunRefusal(
            400, "IncompleteSignature", "The request signature does not conform to standards."
        )
    key_id, names, given = found.groups()
    if key_id != KEY_ID:
        raise AliyunRefusal(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
    body_hash = hashlib.sha256(request.body).hexdigest()
    needed = {"host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-version"}
    whole = needed | {name for name in request.headers if name.startswith("x-acs-")}
    right = _signature(request, names.split(";"), body_hash)
    is_right = whole <= set(names.split(";")) and request.headers.get("x-acs-content-sha256") == body_hash
    if not is_right or not hmac.compare_digest(right, given):
        message = "Specified signature is not matched with our calculation. server string to sign is:"
        raise AliyunRefusal(400, "SignatureDoesNotMatch", f"{message}{request.query}")
    _check_fresh(store, request)


def _signature(request: Request, names: list[str], body_hash: str) -> str:
    pairs = sorted(parse_qsl(request.query, keep_blank_values=True))
    query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)
    lines = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in names)
    canonical = f"{request.method}\n{request.path}\n{query}\n{lines}\n{';'.join(names)}\n{body_hash}"
    to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(SECRET.encode(), to_sign.encode(), hashlib.sha256).hexdigest()


def _check_fresh(store: Store, request: Request) -> None:
    try:
        stamp = datetime.strptime(request.headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise AliyunRefusal(
            400, "InvalidTimeStamp.Format", "Specified time stamp is not well formatted."
        ) from None
    if abs(stamp.timestamp() - time.time()) > FRESH_SECONDS:
        raise AliyunRefusal(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
    nonce = request.headers.get("x-acs-signature-nonce", "")
    row = store.row("INSERT OR IGNORE INTO sms_nonces VALUES (?, ?) RETURNING nonce", nonce, now())
    if row is None:
        raise AliyunRefusal(400, "SignatureNonceUsed", "Specified signature nonce was used already.")


def _send(world: World, request: Request) -> str:
    if (request.headers["x-acs-action"], request.headers["x-acs-version"]) != ("SendSms", "2017-05-25"):
        raise AliyunRefusal(404, "InvalidAction.NotFound", "Specified api is not found.")
    try:
        fields = {
            **read_form(request.query, charset="utf-8"),
            **read_form(request.body.decode(), charset="utf-8"),
        }
        params = json.loads(fields.get("TemplateParam") or "{}")
    except ValueError:
        raise AliyunRefusal(200, "isv.INVALID_JSON_PARAM", "JSON参数不合法") from None
    phone, template = fields.get("PhoneNumbers", ""), fields.get("TemplateCode", "")
    text = _text(world.store, fields, params)
    if not _MOBILE.fullmatch(phone):
        raise AliyunRefusal(200, "isv.MOBILE_NUMBER_ILLEGAL", f"{phone}invalid mobile number")
    number = phone[-11:]
    biz_id = f"{secrets.randbelow(10**18):018d}^0"
    with world.store.transaction():
        if _is_over(world, number, template):
            raise AliyunRefusal(200, "isv.BUSINESS_LIMIT_CONTROL", f"触发天级流控Permits:{A_DAY}")
        inbox.take_message(
            world.store,
            NewMessage(
                channel=CHANNEL, recipient=number, vendor_id=biz_id, text=text, key=fields.get("OutId", ""),
                template=template, link=str(params.get("link", "")), params=params, has_report=True,
            ),
        )  # fmt: skip
    return biz_id


def _text(store: Store, fields: Mapping[str, str], params: object) -> str:
    if fields.get("SignName") != SIGN:
        raise AliyunRefusal(200, "isv.SMS_SIGNATURE_ILLEGAL", "该账号下找不到对应签名")
    text = templates.sms_text(store, CHANNEL, fields.get("TemplateCode", ""))
    if text is None:
        raise AliyunRefusal(200, "isv.SMS_TEMPLATE_ILLEGAL", "该账号下找不到对应模板")
    if not isinstance(params, dict) or not all(isinstance(value, str) for value in params.values()):
        raise AliyunRefusal(200, "isv.INVALID_JSON_PARAM", "JSON参数不合法，只接受字符串值")
    missing = [name for name in templates.variables_of(text) if not params.get(name)]
    if missing:
        raise AliyunRefusal(200, "isv.TEMPLATE_MISSING_PARAMETERS", f"模板变量缺少对应参数值{missing[0]}")
    return f"【{SIGN}】{templates.filled(text, params)}"


def _is_over(world: World, number: str, template: str) -> bool:
    if not world.store.tuned("message_limits", 1):
        return False
    since = inbox.midnight()
    return (
        inbox.count_since(world.store, channel=CHANNEL, recipient=number, since=since, template=template)
        >= A_DAY
    )
