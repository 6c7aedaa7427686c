"""All payment providers by name. A new one is a folder beside this file and one entry of `PROVIDERS`."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError
from payments.providers.alipay.adapter import Alipay
from payments.providers.interface import Provider
from payments.providers.unionpay.adapter import UnionPay
from payments.providers.webhook.adapter import Webhook
from payments.providers.wechatpay.adapter import WechatPay

PROVIDERS: Mapping[str, Provider] = {
    provider.name: provider for provider in (Alipay(), WechatPay(), UnionPay(), Webhook())
}


def get_provider(name: str) -> Provider:
    """The provider of that name. Raises `DomainError` unknown_provider."""
    found = PROVIDERS.get(name)
    if found is None:
        raise DomainError("unknown_provider", _("There is no payment provider “%(name)s”."), name=name)
    return found


def provider_choices() -> list[tuple[str, str]]:
    """The names and labels of all providers, for forms."""
    return [(name, str(provider.label)) for name, provider in PROVIDERS.items()]
