"""Reads WeChat Pay's signed APIv3 calls and writes its signed responses.

Both sides sign lines that end with a line feed: a call METHOD, path with query as sent (whatever prefix the
gateway's address has is part of it), timestamp, nonce, body; an answer and a notification timestamp, nonce, body.
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from sandbox.formats import now
from sandbox.keys.issued import hex_serial
from sandbox.keys.signing import rsa2_sign, rsa2_verify, spoil
from sandbox.web import Request, Response
from sandbox.world import World

METHOD = "WECHATPAY2-SHA256-RSA2048"
TOLERANCE_SECONDS = 300
_PAIR = re.compile(r'\s*([a-z_]+)="([^"]*)"\s*')
Body = Mapping[str, object]


class ApiError(Exception):
    """An error response: HTTP status, WeChat Pay's code, a text for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True, slots=True)
class Signer:
    """The platform's signing key, and the serial number or public key id that names it."""

    serial: str
    key: RSAPrivateKey


def certificate_signer(world: World) -> Signer:
    """The platform certificate."""
    return Signer(hex_serial(world.keys.wechat.platform), world.keys.wechat.platform_key)


def public_key_signer(world: World) -> Signer:
    """The platform public key, the only one that new merchants have."""
    return Signer(world.keys.wechat.public_key_id, world.keys.wechat.public_key)


def signed_headers(signer: Signer, body: bytes, *, active: Mapping[str, float]) -> dict[str, str]:
    """The signature headers for this body, signed now."""
    moment, nonce = str(int(now())), secrets.token_hex(16)
    sign = rsa2_sign(signer.key, f"{moment}\n{nonce}\n".encode() + body + b"\n")
    if "corrupt_signature" in active:
        sign = spoil(sign)
    if "signature_probe" in active:
        sign = "WECHATPAY/SIGNTEST/" + spoil(sign)
    return {
        "Wechatpay-Timestamp": moment,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": sign,
        "Wechatpay-Serial": signer.serial,
        "Wechatpay-Signature-Type": METHOD,
    }


def check_call(world: World, request: Request) -> None:
    """Check that our merchant has signed exactly these bytes. Raises ApiError."""
    if not request.headers.get("user-agent"):
        raise ApiError(400, "PARAM_ERROR", "Http头缺少User-Agent")
    if "application/json" not in request.headers.get("accept", "") and request.headers.get("accept") != "*/*":
        raise ApiError(400, "PARAM_ERROR", "Http头Accept不合法")
    given = _authorization(request.headers.get("authorization", ""))
    keys = world.keys.wechat
    if given.get("mchid") != world.settings.mchid:
        raise ApiError(401, "SIGN_ERROR", "商户号错误")
    if given.get("serial_no", "").upper() != hex_serial(keys.merchant):
        raise ApiError(401, "SIGN_ERROR", "商户证书序列号有误")
    moment = given.get("timestamp", "")
    if not re.fullmatch(r"[0-9]{10}", moment) or abs(now() - int(moment)) > TOLERANCE_SECONDS:
        raise ApiError(401, "SIGN_ERROR", "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟")
    content = signed_content(request, moment=moment, nonce=given.get("nonce_str", ""))
    key = keys.merchant.public_key()
    if not isinstance(key, RSAPublicKey) or not rsa2_verify(
        key, content=content, signature=given.get("signature", "")
    ):
        raise ApiError(401, "SIGN_ERROR", "签名错误")


def signed_content(request: Request, *, moment: str, nonce: str) -> bytes:
    """Five lines over the call as it arrived."""
    target = f"{request.path}?{request.query}" if request.query else request.path
    return f"{request.method}\n{target}\n{moment}\n{nonce}\n".encode() + request.body + b"\n"


def _authorization(text: str) -> dict[str, str]:
    """Its pairs in any order; empty where the header is missing or bent."""
    method, _, rest = text.partition(" ")
    pairs = [_PAIR.fullmatch(part) for part in rest.split(",")]
    if method != METHOD or not all(pairs):
        raise ApiError(401, "SIGN_ERROR", "Http头Authorization值格式错误")
    return {pair[1]: pair[2] for pair in pairs if pair}


def read_body(request: Request) -> Body:
    """The JSON object of a POST. Raises ApiError."""
    try:
        value = json.loads(request.body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ApiError(400, "PARAM_ERROR", "请求体不是JSON对象")
    return value


def write_answer(
    world: World, request: Request, *, value: object, status: int, active: Mapping[str, float]
) -> Response:
    """Signed with the key that the merchant names in `Wechatpay-Serial`, else with the certificate."""
    body = b"" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    by_key = request.headers.get("wechatpay-serial", "").startswith("PUB_KEY_ID_")
    signer = public_key_signer(world) if by_key else certificate_signer(world)
    headers = {**signed_headers(signer, body, active=active), "Request-ID": secrets.token_hex(16).upper()}
    return Response(status, body, "application/json; charset=utf-8", headers)


def write_unsigned(error: ApiError) -> Response:
    """An unsigned error, for a caller that was not recognised."""
    body = json.dumps({"code": error.code, "message": error.message}, ensure_ascii=False).encode()
    return Response(error.status, body, "application/json; charset=utf-8")
