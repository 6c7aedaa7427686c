"""Payment account files as the merchant gets them, ready for his `set_payment_account`.

`{provider}_account.json` in the sandbox's folder; Alipay's key mode has none, because there the merchant makes
his own key and hands in its public half.
"""

import json
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from sandbox.config import Settings
from sandbox.issued import AlipayCertificates, UnionpayKeys, WechatKeys, hex_serial
from sandbox.keyfiles import private_pem, public_pem, write


def write_accounts(settings: Settings) -> list[Path]:
    """Write all of them anew, because the sandbox's port may have moved; returns the files."""
    folder, origin = settings.folder, settings.origin
    values = {
        "alipay_cert": _alipay(AlipayCertificates.load(folder / "alipay_cert"), settings),
        "wechatpay": _wechat(WechatKeys.load(folder / "wechatpay"), settings),
        "unionpay": _unionpay(UnionpayKeys.load(folder / "unionpay"), settings),
    }
    gateways = {
        "alipay_cert": f"{origin}/alipay/gateway.do",
        "wechatpay": f"{origin}/wechatpay",
        "unionpay": f"{origin}/unionpay",
    }
    paths = []
    for name, value in values.items():
        path = folder / f"{name}_account.json"
        content = json.dumps({**value, "gateway_url": gateways[name]}, ensure_ascii=False, indent=2)
        write(path, content.encode() + b"\n")
        paths.append(path)
    return paths


def _alipay(certificates: AlipayCertificates, settings: Settings) -> dict[str, object]:
    return {
        "app_id": settings.cert_app_id,
        "seller_id": settings.cert_seller_id,
        "app_private_key": _private(certificates.app_key),
        "alipay_cert": certificates.file_of(certificates.serial).decode(),
        "alipay_root_cert": certificates.roots.decode(),
        "app_cert": _pem(certificates.app),
    }


def _wechat(keys: WechatKeys, settings: Settings) -> dict[str, object]:
    return {
        "mchid": settings.mchid,
        "appid": settings.appid,
        "api_v3_key": keys.api_v3_key.decode(),
        "merchant_private_key": _private(keys.merchant_key),
        "merchant_serial": hex_serial(keys.merchant),
        "platform_keys": {
            keys.public_key_id: public_pem(keys.public_key).decode(),
            hex_serial(keys.platform): keys.platform_pem().decode(),
        },
    }


def _unionpay(keys: UnionpayKeys, settings: Settings) -> dict[str, object]:
    return {
        "mer_id": settings.mer_id,
        "sign_cert": _pem(keys.merchant),
        "sign_key": _private(keys.merchant_key),
        "root_cert": _pem(keys.ca.root),
        "middle_cert": _pem(keys.ca.middle),
    }


def _private(key: RSAPrivateKey) -> str:
    return private_pem(key).decode()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
