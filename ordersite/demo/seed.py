"""Demonstration data: one shop, its people, and its accounts at the sandbox. Running it again keeps what is there."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from logistics import accounts as carrier_accounts
from logistics.models import Warehouse
from orders.clients import add_client
from orders.models import ApiClient, Merchant, MerchantMember
from ordersite.lib.errors import DomainError
from payments.accounts.on_server import save_on_server

SLUG = "demo"
CHECKOUT_CLIENT = "演示结算页"
ERP_CLIENT = "演示仓库 ERP"
ALIPAY_APP_ID = "2021000000000001"
ALIPAY_SELLER_ID = "2088000000000001"

WAREHOUSE = {
    "name": "杭州主仓", "sender_name": "拾光家居仓库", "sender_phone": "0571-88880000", "province": "浙江省",
    "city": "杭州市", "district": "余杭区", "street": "仓前街道文一西路 1 号",
}  # fmt: skip

# Accounts whose keys the sandbox issues, as the providers' consoles do: slug, provider, file in its folder.
ISSUED = (
    ("demo-alipay-cert", "alipay", "alipay_cert_account.json"),
    ("demo-wechatpay", "wechatpay", "wechatpay_account.json"),
    ("demo-unionpay", "unionpay", "unionpay_account.json"),
)


@dataclass(frozen=True, slots=True)
class Login:
    """A log-in as it is shown once."""

    role: str
    username: str
    password: str


# Username and role. Two persons each where one hands in what the other confirms.
STAFF: Sequence[tuple[str, str]] = (
    ("agent", "agent"),
    ("supervisor", "supervisor"),
    ("finance", "finance"),
    ("finance2", "finance"),
    ("operations", "operations"),
    ("operations2", "operations"),
    ("auditor", "auditor"),
    ("viewer", "viewer"),
)
# Nobody's: names below .example are kept free for ever.
MAIL_DOMAIN = "shop.example"


def seed(*, sandbox_url: str, folder: Path) -> list[Login]:
    """Make what is missing of the demonstration; returns the log-ins made now.

    `folder` is where the sandbox left its public keys, and where our own public key and the warehouse's token go.
    Raises DomainError when the database belongs to somebody else.
    """
    if not settings.DEMO_SHOP or _belongs_to_real_shops():
        raise DomainError(
            "not_for_this_database", _("This database belongs to real shops: no demonstration here.")
        )
    with transaction.atomic():
        merchant = Merchant.objects.get_or_create(slug=SLUG, defaults={"name": "拾光家居（演示店铺）"})[0]
        Warehouse.objects.get_or_create(merchant=merchant, slug="main", defaults=WAREHOUSE)
        save_accounts(merchant, sandbox_url=sandbox_url, folder=folder)
        make_clients(merchant, folder=folder)
        return make_people(merchant)


def _belongs_to_real_shops() -> bool:
    """Tell whether others were here first; the embedded database is the demonstration's own, whatever joins it."""
    if settings.IS_EMBEDDED or Merchant.objects.filter(slug=SLUG).exists():
        return False
    return Merchant.objects.exists()


def save_accounts(merchant: Merchant, *, sandbox_url: str, folder: Path) -> None:
    """Accounts at the sandbox; saved anew at each start, because its port may have moved."""
    save_on_server(
        "demo-alipay",
        provider="alipay",
        merchant=merchant,
        values={
            "app_id": ALIPAY_APP_ID,
            "seller_id": ALIPAY_SELLER_ID,
            "gateway_url": f"{sandbox_url}/alipay/gateway.do",
            "app_private_key": app_key(folder),
            "alipay_public_key": (folder / "alipay_public.pem").read_text(encoding="ascii"),
        },
    )
    pages = {f"{word}_url": f"{sandbox_url}/webhook/{word}" for word in ("pay", "query", "close", "refund")}
    save_on_server(
        "demo-webhook",
        provider="webhook",
        merchant=merchant,
        values={"secret": (folder / "webhook_secret").read_text(encoding="ascii").strip(), **pages},
    )
    for slug, provider, file in ISSUED:
        values = json.loads((folder / file).read_text(encoding="utf-8"))
        path = urlsplit(values["gateway_url"]).path
        save_on_server(
            slug, provider=provider, merchant=merchant, values={**values, "gateway_url": sandbox_url + path}
        )
    for carrier, data in carrier_files(sandbox_url).items():
        carrier_accounts.save_announced(f"demo-{carrier}", carrier=carrier, merchant=merchant, data=data)


def carrier_files(sandbox_url: str) -> Mapping[str, Mapping[str, str]]:
    """The keys of the carrier accounts, as the sandbox knows them; its parcels travel in a minute, so it is asked often."""
    return {
        "kuaidi100": {
            "customer": "SANDBOXCUSTOMER",
            "key": "SANDBOXKEY",
            "query_url": f"{sandbox_url}/kuaidi100/query.do",
            "min_interval_seconds": "5",
        },
        "sf": {
            "partner_id": "SANDBOXSF",
            "checkword": "SANDBOXSFCHECKWORD",
            "gateway_url": f"{sandbox_url}/sf/std/service",
            "monthly_card": "7551234567",
            "min_interval_seconds": "5",
        },
        "sto": {
            "app_key": "SANDBOXSTO",
            "secret_key": "SANDBOXSTOSECRET",
            "gateway_url": f"{sandbox_url}/sto/gateway/link.do",
            "order_source": "SANDBOX",
            "site_code": "666666",
            "customer_name": "666666000001",
            "site_password": "abc123",
            "min_interval_seconds": "5",
        },
        "yto": {
            "customer_code": "SANDBOXYTO",
            "secret": "SANDBOXYTOSECRET",
            "gateway_url": f"{sandbox_url}/yto",
            "min_interval_seconds": "5",
        },
        "zto": {
            "app_key": "SANDBOXZTO",
            "app_secret": "SANDBOXZTOSECRET",
            "gateway_url": f"{sandbox_url}/zto",
            "account_id": "sandbox",
            "account_password": "ZTO123",
            "min_interval_seconds": "5",
        },
    }


def app_key(folder: Path) -> str:
    """The shop's own Alipay key, made once; its public half is handed to the sandbox, as one would in the console."""
    path = folder.parent / "demo_app_private.pem"
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_private(path, pem.decode())
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "alipay_app_public.pem").write_bytes(public)
    return path.read_text(encoding="ascii")


def write_private(path: Path, text: str) -> None:
    """A file that nobody else can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)


def make_clients(merchant: Merchant, *, folder: Path) -> None:
    """The checkout's own client (its token is never shown), and the warehouse's with a token in the folder."""
    if not ApiClient.objects.filter(merchant=merchant, name=CHECKOUT_CLIENT).exists():
        add_client(merchant, name=CHECKOUT_CLIENT, scopes=["orders:write", "orders:read"])
    token_file = folder / "erp_token"
    if not ApiClient.objects.filter(merchant=merchant, name=ERP_CLIENT).exists() or not token_file.exists():
        ApiClient.objects.filter(merchant=merchant, name=ERP_CLIENT).update(is_active=False)
        _client, token = add_client(merchant, name=ERP_CLIENT, scopes=["orders:read", "shipments:write"])
        write_private(token_file, token + "\n")


def make_people(merchant: Merchant) -> list[Login]:
    """An administrator, the people of every role, and one of the shop's own people; all of staff have an address."""
    logins = [make_person("admin", role="administrator", is_superuser=True)]
    for username, group in STAFF:
        logins.append(make_person(username, role=group))
        User.objects.get(username=username).groups.add(Group.objects.get(name=group))
    logins.append(make_person("shop", role="merchant", is_staff=False))
    MerchantMember.objects.get_or_create(
        user=User.objects.get(username="shop"), defaults={"merchant": merchant, "is_owner": True}
    )
    return [login for login in logins if login]


def make_person(
    username: str, *, role: str, is_superuser: bool = False, is_staff: bool = True
) -> Login | None:
    """None for a person that is there already; one of an older demonstration gets the address that was missing."""
    address = f"{username}@{MAIL_DOMAIN}"
    known = User.objects.filter(username=username)
    if known.exists():
        known.filter(email="").update(email=address)
        return None
    password = secrets.token_urlsafe(9)
    User.objects.create_user(username, address, password, is_staff=is_staff, is_superuser=is_superuser)
    return Login(role, username, password)
