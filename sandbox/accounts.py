"""Writes the account files that `set_payment_account` and `set_message_account` read, one for each provider and channel.

`{name}_account.json` in the sandbox's folder; Alipay's key mode has none: there the merchant makes the key
pair and uploads its public key.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from sandbox.config import Settings
from sandbox.keys.issued import AlipayCertificates, UnionpayKeys, WechatKeys, hex_serial
from sandbox.keys.keyfiles import private_pem, public_pem, write
from sandbox.messaging.accounts import MESSAGE_ACCOUNTS


def write_accounts(settings: Settings) -> list[Path]:
    """Write all account files with the current port; returns the files."""
    paths = []
    for name in _MAKERS:
        path = settings.folder / f"{name}_account.json"
        content = json.dumps(account_of(name, settings), ensure_ascii=False, indent=2)
        write(path, content.encode() + b"\n")
        paths.append(path)
    return paths


def account_of(name: str, settings: Settings) -> dict[str, object]:
    """Return the content of one account file; makes its keys on first use."""
    return _MAKERS[name](settings)


def _alipay(settings: Settings) -> dict[str, object]:
    certificates = AlipayCertificates.load(settings.folder / "alipay_cert")
    return {
        "gateway_url": f"{settings.origin}/alipay/gateway.do",
        "app_id": settings.cert_app_id,
        "seller_id": settings.cert_seller_id,
        "app_private_key": _private(certificates.app_key),
        "alipay_cert": certificates.file_of(certificates.serial).decode(),
        "alipay_root_cert": certificates.roots.decode(),
        "app_cert": _pem(certificates.app),
    }


def _wechat(settings: Settings) -> dict[str, object]:
    keys = WechatKeys.load(settings.folder / "wechatpay")
    return {
        "gateway_url": f"{settings.origin}/wechatpay",
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


def _unionpay(settings: Settings) -> dict[str, object]:
    keys = UnionpayKeys.load(settings.folder / "unionpay")
    return {
        "gateway_url": f"{settings.origin}/unionpay",
        "file_url": f"{settings.origin}/unionpay/fileTransfer.do",
        "mer_id": settings.mer_id,
        "sign_cert": _pem(keys.merchant),
        "sign_key": _private(keys.merchant_key),
        "root_cert": _pem(keys.ca.root),
        "middle_cert": _pem(keys.ca.middle),
    }


_MAKERS: Mapping[str, Callable[[Settings], dict[str, object]]] = {
    "alipay_cert": _alipay,
    "wechatpay": _wechat,
    "unionpay": _unionpay,
    **MESSAGE_ACCOUNTS,
}


def _private(key: RSAPrivateKey) -> str:
    return private_pem(key).decode()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
