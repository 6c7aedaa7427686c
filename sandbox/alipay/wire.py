"""Reads Alipay's signed requests and writes its signed responses.

Request: form or query parameters, signed over all of them but `sign`, sorted, empty ones left out. Like the real
gateway it takes the character set from the URL alone, where Alipay's own SDKs put all common parameters; without it
the request is read as GBK, and does not verify. Answer: one JSON object whose node text is signed byte for byte as it
stands; an error about the request itself is unsigned and in GBK, whatever was wanted.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from sandbox.formats import from_beijing
from sandbox.keys.issued import alipay_sn
from sandbox.keys.signing import rsa2_sign, rsa2_verify, sorted_pairs, spoil
from sandbox.web import Request, Response, read_form
from sandbox.world import World

METHODS = frozenset(
    {
        "alipay.trade.page.pay",
        "alipay.trade.query",
        "alipay.trade.close",
        "alipay.trade.refund",
        "alipay.trade.fastpay.refund.query",
        "alipay.data.dataservice.bill.downloadurl.query",
        "alipay.open.app.alipaycert.download",
    }
)

DEFAULT_CHARSET = "gbk"
_NO_CHARSET = "验签出错，请确认charset参数放在了URL查询字符串中且各参数值使用charset参数指示的字符集编码"


class GatewayError(Exception):
    """An error response. `signed` is False where Alipay sends a bare `error_response`."""

    def __init__(self, sub_code: str, sub_msg: str, *, code: str = "40004", signed: bool = True) -> None:
        super().__init__(sub_code)
        self.sub_code, self.sub_msg, self.code, self.signed = sub_code, sub_msg, code, signed

    def node(self) -> dict[str, object]:
        """The error as a response node."""
        texts = {
            "40004": "Business Failed",
            "40001": "Missing Required Arguments",
            "20000": "Service Unavailable",
        }
        msg = texts.get(self.code, "Invalid Arguments")
        return {"code": self.code, "msg": msg, "sub_code": self.sub_code, "sub_msg": self.sub_msg}


@dataclass(frozen=True, slots=True)
class Command:
    """A request whose signature was good. `biz` is the parsed biz_content."""

    method: str
    params: Mapping[str, str]
    biz: Mapping[str, object]

    def text(self, name: str) -> str:
        """A business field as text, empty when missing."""
        value = self.biz.get(name)
        return "" if value is None else str(value)


def read_params(request: Request) -> dict[str, str]:
    """Parameters of the query and of the form together. Raises GatewayError."""
    try:
        body = request.body.decode("ascii") if request.method == "POST" else ""
        charset = _named_charset(request.query) or DEFAULT_CHARSET
        query, form = read_form(request.query, charset=charset), read_form(body, charset=charset)
    except (ValueError, UnicodeDecodeError):
        raise GatewayError(
            "isv.invalid-charset", "字符集错误或参数重复", code="40002", signed=False
        ) from None
    if query.keys() & form.keys():
        raise GatewayError("isv.invalid-parameter", "参数重复", code="40002", signed=False)
    if "charset" not in query:
        raise GatewayError("isv.invalid-signature", _NO_CHARSET, code="40002", signed=False)
    return {**query, **form}


def _named_charset(text: str) -> str:
    """Return the `charset` field, which is ASCII, to decode the other fields with it."""
    return dict(parse_qsl(text, encoding="latin-1")).get("charset", "")


def read_command(world: World, params: Mapping[str, str]) -> Command:
    """Check a request's common fields and signature. Raises GatewayError."""
    method = params.get("method", "")
    if method not in METHODS:
        raise GatewayError("isv.invalid-method", "不存在的方法名", code="40002", signed=False)
    if params.get("app_id") not in (world.settings.app_id, world.settings.cert_app_id):
        raise GatewayError("isv.invalid-app-id", "无效的AppID参数", code="40002", signed=False)
    if params.get("sign_type") != "RSA2":
        raise GatewayError("isv.invalid-signature-type", "无效签名类型", code="40002")
    _check_signature(world, params)
    if params.get("version") != "1.0" or params.get("format", "JSON").upper() != "JSON":
        raise GatewayError("isv.invalid-parameter", "version 或 format 参数无效", code="40002")
    _check_time(params.get("timestamp", ""))
    return Command(method, params, _biz(params.get("biz_content", "")))


def _check_signature(world: World, params: Mapping[str, str]) -> None:
    key = _app_key(world, params)
    filled = {name: value for name, value in params.items() if value}
    content = sorted_pairs(filled, leave_out=frozenset({"sign"})).encode(params.get("charset", "utf-8"))
    if not rsa2_verify(key, content=content, signature=params.get("sign", "")):
        raise GatewayError(
            "isv.invalid-signature", "验签出错, 请确认应用私钥与上传的应用公钥配对", code="40002"
        )


def _app_key(world: World, params: Mapping[str, str]) -> RSAPublicKey:
    """Return the public key of the app; in certificate mode the certificate that the request names."""
    if params["app_id"] == world.settings.cert_app_id:
        return _certified_key(world, params)
    key = world.keys.app_public()
    if key is None:
        raise GatewayError(
            "isv.missing-signature-key", "无应用公钥: 商户尚未上传 alipay_app_public.pem", code="40002"
        )
    return key


def _certified_key(world: World, params: Mapping[str, str]) -> RSAPublicKey:
    ours = world.keys.alipay_certificates
    if params.get("app_cert_sn") != alipay_sn(ours.app):
        raise GatewayError("isv.invalid-app-cert-sn", "应用公钥证书序列号无效", code="40002")
    if params.get("alipay_root_cert_sn") != ours.root_serial:
        raise GatewayError("isv.invalid-alipay-root-cert-sn", "支付宝根证书序列号无效", code="40002")
    key = ours.app.public_key()
    assert isinstance(key, RSAPublicKey)
    return key


def seal(world: World, app_id: str) -> tuple[RSAPrivateKey, str]:
    """Alipay's signing key for this app, and the serial number of its certificate in certificate mode."""
    if app_id != world.settings.cert_app_id:
        return world.keys.alipay, ""
    certificates = world.keys.alipay_certificates
    return certificates.key, certificates.serial


def seller_of(world: World, app_id: str) -> str:
    """The seller id of this app's trades."""
    settings = world.settings
    return settings.cert_seller_id if app_id == settings.cert_app_id else settings.seller_id


def _check_time(text: str) -> None:
    try:
        from_beijing(text)
    except ValueError:
        raise GatewayError("isv.invalid-timestamp", "非法的时间戳参数", code="40002") from None


def _biz(text: str) -> Mapping[str, object]:
    if not text:
        raise GatewayError("isv.missing-parameter", "缺少必选参数 biz_content", code="40001")
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise GatewayError("isv.invalid-parameter", "biz_content 不是 JSON 对象", code="40002")
    return value


def write_answer(
    world: World, *, params: Mapping[str, str], node: Mapping[str, object], active: Mapping[str, float]
) -> Response:
    """Write a response: sign the node's text and put both into one JSON object.

    The fault `gbk` leaves the character set of the request aside.
    """
    charset = DEFAULT_CHARSET if "gbk" in active else params["charset"]
    text = node_text(node)
    key, serial = seal(world, params["app_id"])
    sign = rsa2_sign(key, text.encode(charset))
    if "corrupt_signature" in active:
        sign = spoil(sign)
    name = params["method"].replace(".", "_") + "_response"
    named = f'"alipay_cert_sn":"{serial}",' if serial else ""
    body = f'{{"{name}":{text},{named}"sign":"{sign}"}}'.encode(charset)
    return Response(200, body, f"text/html;charset={charset}")


def write_bare_error(error: GatewayError) -> Response:
    """An `error_response` without a signature, in GBK: the request could not be read, or the app is unknown."""
    body = f'{{"error_response":{node_text(error.node())}}}'.encode(DEFAULT_CHARSET)
    return Response(200, body, f"text/html;charset={DEFAULT_CHARSET.upper()}")


def node_text(node: Mapping[str, object]) -> str:
    """Serialise a node as Alipay does, with escaped slashes: re-serialising it breaks the signature."""
    return json.dumps(node, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
