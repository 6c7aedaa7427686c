"""Reads and writes messages of UnionPay's all-channel gateway, version 5.1.0.

A message is a set of fields; the signed text is the non-empty ones but `signature`, sorted, as `k=v&`. The
certificate of the signer travels in `signPubKeyCert`, its CRLF line ends included. A request and a notification
are forms; an answer is the raw pairs joined by `&`, nothing percent-encoded.
"""

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from sandbox.formats import compact
from sandbox.keys.signing import spoil, unionpay_sign, unionpay_verify
from sandbox.web import Request, Response, read_form
from sandbox.world import World

MESSAGES: Mapping[str, str] = {
    "00": "成功[0000000]",
    "01": "交易失败。详情请咨询95516[9100005]",
    "05": "交易已受理，请稍后查询交易结果[9100006]",
    "10": "报文格式错误[6100030]",
    "11": "验证签名失败[6100024]",
    "12": "重复交易[6131002]",
    "13": "报文交易要素缺失[6100030]",
    "31": "商户状态不正确[6100020]",
    "34": "查无此交易[2600000]",
    "36": "交易金额超限[6100036]",
    "98": "文件不存在[9990000]",
}


class Refused(Exception):
    """A response with another respCode than 00."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def read_message(world: World, request: Request) -> dict[str, str]:
    """The fields of a call whose signature is our merchant's. Raises Refused."""
    text = request.body.decode("ascii", "replace") if request.method == "POST" else request.query
    try:
        fields = read_form(text, charset="utf-8")
    except ValueError:
        raise Refused("10") from None
    if fields.get("version") != "5.1.0" or fields.get("signMethod") != "01":
        raise Refused("10")
    if fields.get("merId") != world.settings.mer_id:
        raise Refused("31")
    merchant = world.keys.unionpay.merchant
    key = merchant.public_key()
    if fields.get("certId") != str(merchant.serial_number) or not isinstance(key, RSAPublicKey):
        raise Refused("11")
    if not unionpay_verify(key, fields):
        raise Refused("11")
    return fields


def needed(fields: Mapping[str, str], name: str) -> str:
    """A field that must be there. Raises Refused."""
    value = fields.get(name, "")
    if not value:
        raise Refused("13")
    return value


def with_message(code: str) -> dict[str, str]:
    """respCode with its text."""
    return {"respCode": code, "respMsg": MESSAGES[code]}


def sign(world: World, fields: Mapping[str, str], *, active: Mapping[str, float]) -> dict[str, str]:
    """Add the certificate and the signature; empty fields are left out, as UnionPay never sends any."""
    keys = world.keys.unionpay
    pem = keys.sign.public_bytes(Encoding.PEM).decode().replace("\n", "\r\n")
    message = {name: value for name, value in fields.items() if value}
    message = {**message, "version": "5.1.0", "encoding": "UTF-8", "signMethod": "01", "signPubKeyCert": pem}
    signature = unionpay_sign(keys.sign_key, message)
    return {**message, "signature": spoil(signature) if "corrupt_signature" in active else signature}


def write_answer(world: World, fields: Mapping[str, str], *, active: Mapping[str, float]) -> Response:
    """Write a signed response as raw pairs, the form that UnionPay's SDK reads."""
    signed = sign(world, fields, active=active)
    text = "&".join(f"{name}={signed[name]}" for name in sorted(signed))
    return Response(200, text.encode(), "text/html;charset=UTF-8")


def settle_fields(fen: int, moment: float, number: str) -> dict[str, str]:
    """The fields of every message about money that has moved; amounts in fen. A clearing day ends at 23:00."""
    return {
        "settleAmt": str(fen),
        "settleCurrencyCode": "156",
        "settleDate": compact(moment + 3600)[4:8],
        "traceNo": number[-6:],
        "traceTime": compact(moment)[4:],
    }
