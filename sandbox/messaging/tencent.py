"""Simulates Tencent Cloud's text messages: SendSms with the signature TC3-HMAC-SHA256, its limits and its errors.

Every answer is HTTP 200 with `Response`; an error of the call is in `Error`, one of the number in its `SendStatusSet`.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping

from sandbox.carrier import counts
from sandbox.formats import now
from sandbox.messaging import inbox, templates
from sandbox.messaging.inbox import NewMessage
from sandbox.trouble import troubled
from sandbox.web import Request, Response, json_response, read_json
from sandbox.world import World

PATH, CHANNEL, TARGET = "/tencent_sms/", "tencent_sms", "tencent_sms.send"
SECRET_ID, SECRET_KEY = "SANDBOXTENCENTID", "SANDBOXTENCENTSECRET"
APP_ID, SIGN = "1400000001", "演示商店"
FRESH_SECONDS = 300
# Seconds, messages of one number within them, and the error beyond; the console's own setting.
_LIMITS = (
    (
        30,
        1,
        "LimitExceeded.PhoneNumberThirtySecondLimit",
        "the number of SMS messages in 30 seconds exceeds the limit",
    ),
    (
        3600,
        5,
        "LimitExceeded.PhoneNumberOneHourLimit",
        "the number of SMS messages in 1 hour exceeds the limit",
    ),
    (0, 10, "LimitExceeded.PhoneNumberDailyLimit", "the number of SMS messages of the day exceeds the limit"),
)
_AUTHORIZATION = re.compile(
    r"TC3-HMAC-SHA256 Credential=([^/]+)/([0-9-]{10})/sms/tc3_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
    re.ASCII,
)
_MOBILE = re.compile(r"(?:\+86|0086|86)?(1[3-9][0-9]{9})", re.ASCII)
_OF_THE_CALL = {
    "throttled": ("RequestLimitExceeded", "Your current request times equals to 3001 in a second."),
    "bad_signature": ("AuthFailure.SignatureFailure", "The provided credentials could not be validated."),
}
_OF_THE_NUMBER = {
    "no_funds": ("FailedOperation.InsufficientBalanceInSmsPackage", "insufficient balance in SMS package"),
    "limit": (
        "LimitExceeded.PhoneNumberOneHourLimit",
        "the number of SMS messages in 1 hour exceeds the limit",
    ),
    "blocked": ("FailedOperation.PhoneNumberInBlacklist", "phone is in blacklist"),
    "bad_number": ("InvalidParameterValue.IncorrectPhoneNumber", "incorrect phone number"),
}


class TencentRefusal(Exception):
    """A call that is answered with an error; `of_number`: within the status of the one number."""

    def __init__(self, code: str, message: str, *, of_number: bool = False) -> None:
        super().__init__(code)
        self.code, self.message, self.of_number = code, message, of_number


def handle_tencent(world: World, request: Request) -> Response:
    """`POST /tencent_sms/`. Raises HangUp under faults."""
    return troubled(world, target=TARGET, work=lambda active: _answer(world, request, active))


def _answer(world: World, request: Request, active: Mapping[str, float]) -> Response:
    counts.count(world.store, TARGET)
    content: dict[str, object] = {"RequestId": secrets.token_hex(16)}
    try:
        _check_signature(request)
        _refuse(active, _OF_THE_CALL, of_number=False)
        content["SendStatusSet"] = [_send(world, request, active)]
    except TencentRefusal as refusal:
        error = {"Code": refusal.code, "Message": refusal.message}
        empty = {"SerialNo": "", "PhoneNumber": "", "Fee": 0, "SessionContext": "", "IsoCode": ""}
        content |= {"SendStatusSet": [{**empty, **error}]} if refusal.of_number else {"Error": error}
    if "bad_gateway" in active:
        return Response(502, b"<html><body>502 Bad Gateway</body></html>", "text/html")
    return json_response({"Response": content})


def _refuse(active: Mapping[str, float], refusals: Mapping[str, tuple[str, str]], *, of_number: bool) -> None:
    for fault, (code, message) in refusals.items():
        if fault in active:
            raise TencentRefusal(code, message, of_number=of_number)


def _check_signature(request: Request) -> None:
    found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if found is None:
        raise TencentRefusal("AuthFailure.InvalidAuthorization", "The Authorization header is not valid.")
    secret_id, day, names, given = found.groups()
    if secret_id != SECRET_ID:
        raise TencentRefusal("AuthFailure.SecretIdNotFound", "The SecretId is not found.")
    stamp = request.headers.get("x-tc-timestamp", "")
    if not stamp.isdigit() or abs(int(stamp) - time.time()) > FRESH_SECONDS:
        raise TencentRefusal("AuthFailure.SignatureExpire", "The signature is expired.")
    is_day = time.strftime("%Y-%m-%d", time.gmtime(int(stamp))) == day
    is_whole = {"content-type", "host"} <= set(names.split(";"))
    if not is_day or not is_whole or not hmac.compare_digest(_signature(request, names, day, stamp), given):
        raise TencentRefusal(
            "AuthFailure.SignatureFailure", "The provided credentials could not be validated."
        )


def _signature(request: Request, names: str, day: str, stamp: str) -> str:
    values = {**request.headers, "x-tc-action": request.headers.get("x-tc-action", "").lower()}
    lines = "".join(f"{name}:{values.get(name, '').strip()}\n" for name in names.split(";"))
    body = hashlib.sha256(request.body).hexdigest()
    canonical = f"{request.method}\n{request.path}\n{request.query}\n{lines}\n{names}\n{body}"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"TC3-HMAC-SHA256\n{stamp}\n{day}/sms/tc3_request\n{hashed}"
    of_day = hmac.new(f"TC3{SECRET_KEY}".encode(), day.encode(), hashlib.sha256).digest()
    of_service = hmac.new(of_day, b"sms", hashlib.sha256).digest()
    signing = hmac.new(of_service, b"tc3_request", hashlib.sha256).digest()
    return hmac.new(signing, to_sign.encode(), hashlib.sha256).hexdigest()


def _send(world: World, request: Request, active: Mapping[str, float]) -> dict[str, object]:
    action = (request.headers.get("x-tc-action"), request.headers.get("x-tc-version"))
    if action != ("SendSms", "2021-01-11"):
        raise TencentRefusal("InvalidAction", "The API does not exist.")
    try:
        body = read_json(request.body)
    except ValueError:
        raise TencentRefusal("InvalidParameter", "The body is not JSON.") from None
    if body.get("SmsSdkAppId") != APP_ID:
        raise TencentRefusal("InvalidParameterValue.SdkAppIdNotExist", "SdkAppId does not exist")
    phones = body.get("PhoneNumberSet")
    found = _MOBILE.fullmatch(str(phones[0])) if isinstance(phones, list) and len(phones) == 1 else None
    text, values = _text(world, body)
    _refuse(active, _OF_THE_NUMBER, of_number=True)
    if found is None:
        raise TencentRefusal(
            "InvalidParameterValue.IncorrectPhoneNumber", "incorrect phone number", of_number=True
        )
    serial = f"5000:{secrets.randbelow(10**20):020d}"
    with world.store.transaction():
        _check_limits(world, found[1])
        inbox.take_message(
            world.store,
            NewMessage(
                channel=CHANNEL, recipient=found[1], vendor_id=serial, text=text,
                key=str(body.get("SessionContext") or ""), template=str(body.get("TemplateId")),
                link=next((value for value in values if value.startswith("http")), ""),
                params={str(place): value for place, value in enumerate(values, start=1)}, has_report=True,
            ),
        )  # fmt: skip
    return {
        "SerialNo": serial, "PhoneNumber": f"+86{found[1]}", "Fee": 1, "Code": "Ok", "Message": "send success",
        "SessionContext": str(body.get("SessionContext") or ""), "IsoCode": "CN",
    }  # fmt: skip


def _text(world: World, body: Mapping[str, object]) -> tuple[str, list[str]]:
    if body.get("SignName") != SIGN:
        raise TencentRefusal(
            "FailedOperation.SignatureIncorrectOrUnapproved", "signature is not approved", of_number=True
        )
    text = templates.sms_text(world.store, CHANNEL, str(body.get("TemplateId")))
    if text is None:
        raise TencentRefusal(
            "FailedOperation.TemplateIncorrectOrUnapproved", "template is not approved", of_number=True
        )
    values = body.get("TemplateParamSet")
    given = values if isinstance(values, list) and all(isinstance(one, str) for one in values) else []
    if len(given) != templates.positions_of(text):
        raise TencentRefusal(
            "FailedOperation.TemplateParamSetNotMatchApprovedTemplate",
            "parameters do not match",
            of_number=True,
        )
    return f"【{SIGN}】{templates.filled_by_position(text, given)}", given


def _check_limits(world: World, phone: str) -> None:
    if not world.store.tuned("message_limits", 1):
        return
    for seconds, most, code, message in _LIMITS:
        since = now() - seconds if seconds else inbox.midnight()
        if inbox.count_since(world.store, channel=CHANNEL, recipient=phone, since=since) >= most:
            raise TencentRefusal(code, message, of_number=True)
