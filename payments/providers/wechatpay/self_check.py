"""Finds the problems of a WeChat Pay account without calling WeChat Pay."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from django.utils.translation import gettext as _

from ordersite.lib.outgoing.addresses import address_problems
from payments.providers.rsa_keys import private_key
from payments.providers.types import AccountKeys
from payments.providers.wechatpay.keys import (
    AES_KEY_BYTES,
    aes_key,
    is_public_key_id,
    is_serial,
    plain_serial,
    platform_key,
)

NATIVE, JSAPI = "native", "jsapi"


def check_config(config: Mapping[str, str]) -> list[str]:
    problems = []
    if not re.fullmatch(r"[0-9]{6,32}", config["mchid"], re.ASCII):
        problems.append(_("mchid must be 6 to 32 digits."))
    if not re.fullmatch(r"wx[0-9A-Za-z]{6,30}", config["appid"], re.ASCII):
        problems.append(_("appid must begin with wx."))
    address = config["gateway_url"]
    if "?" in address or "#" in address:
        problems.append(_("%(key)s must be an https address.") % {"key": "gateway_url"})
    else:
        problems += address_problems("gateway_url", address)
    if config.get("trade_type", NATIVE) not in (NATIVE, JSAPI):
        problems.append(_("trade_type must be native or jsapi."))
    if not is_serial(config["merchant_serial"]):
        problems.append(
            _("merchant_serial must be the serial number, in hex, of the certificate made for the merchant.")
        )
    return problems


def check_keys(keys: AccountKeys) -> list[str]:
    problems = []
    try:
        aes_key(keys.secret("api_v3_key"))
    except ValueError:
        problems.append(_("api_v3_key must be %(count)s ASCII characters.") % {"count": AES_KEY_BYTES})
    try:
        own = private_key(keys.secret("merchant_private_key")).public_key().public_numbers()
    except ValueError:
        own = None
        problems.append(_("merchant_private_key is not an RSA private key of 2048 bits or more."))
    ring = keys.secret_map("platform_keys")
    if not ring:
        return [
            *problems,
            _("platform_keys must name at least one key of the platform by its serial number."),
        ]
    for name, text in ring.items():
        problems += _check_platform_key(name, text, keys, own)
    return problems or _check_times(ring)


def _check_platform_key(name: str, text: str, keys: AccountKeys, own: RSAPublicNumbers | None) -> list[str]:
    """Problems of one platform key. The most common mistake: the merchant's own certificate instead of it."""
    params = {"name": name}
    if not is_public_key_id(name) and not is_serial(name):
        return [_("Platform key %(name)s: the name must be PUB_KEY_ID_… or a serial number in hex.") % params]
    if "PRIVATE KEY" in text:
        return [_("Platform key %(name)s is a private key.") % params]
    try:
        found = platform_key(text)
    except ValueError:
        return [
            _("Platform key %(name)s is neither an RSA public key of 2048 bits or more nor a certificate.")
            % params
        ]
    serials = (plain_serial(name), plain_serial(found.serial))
    if found.key.public_numbers() == own or plain_serial(keys.config.get("merchant_serial", "")) in serials:
        return [_("Platform key %(name)s is the merchant's own: it must be the one of WeChat Pay.") % params]
    if found.serial and is_public_key_id(name):
        return [_("Platform key %(name)s is a certificate, and that name belongs to a public key.") % params]
    if found.serial and serials[0] != serials[1]:
        return [
            _("Platform key %(name)s is the certificate with serial number %(serial)s.")
            % {**params, "serial": found.serial}
        ]
    return []


def _check_times(ring: Mapping[str, str]) -> list[str]:
    now = datetime.now(UTC)
    if any(platform_key(text).is_valid_at(now) for text in ring.values()):
        return []
    return [_("All certificates in platform_keys have expired or are not valid yet.")]
