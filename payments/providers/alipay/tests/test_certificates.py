"""Alipay's certificate mode: requests, trusted certificates, and the successor of Alipay's certificate."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from alipay import DCAliPay
from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import RSA
from Cryptodome.Signature import pkcs1_15
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256 as X509_SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import CertificateBuilder
from django.utils import translation
from pytest_httpserver import HTTPServer

from ordersite.lib.errors import DomainError, OutsideError
from ordersite.lib.http import Gateway
from payments.accounts.keys import keys_of
from payments.accounts.save import change_account
from payments.models import PaymentAccount
from payments.providers.alipay.adapter import Alipay
from payments.providers.alipay.certificates import downloaded_certificates, root_serial, serial
from payments.providers.alipay.tests.messages import APP_ID, PAYMENT, account, call, form, signed_text
from payments.providers.alipay.tests.test_gateway import ATTEMPT, PAID, QUERY, refusal
from payments.providers.errors import Rejected
from payments.providers.tests.authority import (
    BEGINS,
    ENDS,
    Issued,
    dn,
    issue,
    private_pem,
    public_pem,
    rsa_key,
)
from payments.providers.types import AccountKeys, TradeState, UpdateKind
from payments.tests.builders import build_alipay

MERCHANT = "2088000000000001"
ALIPAY_NAME = dn(C="CN", O="shop@example.com", OU="Alipay", CN=f"支付宝(中国)网络技术有限公司-{MERCHANT}")
APP_NAME = dn(C="CN", O="shop@example.com", OU="Alipay", CN=f"{MERCHANT}-{APP_ID}")
ROOT = issue("Ant Root R1", key="ant-root", ca=1)
MIDDLE = issue("Ant Class 2 R1", key="ant-middle", by=ROOT, ca=0)
ALIPAY = issue("", key="ant-alipay", by=MIDDLE, subject=ALIPAY_NAME)
APP = issue("", key="ant-app", by=MIDDLE, subject=APP_NAME)
NEW = issue("", key="ant-new", by=MIDDLE, subject=ALIPAY_NAME)


def _sm2_root() -> str:
    """A root of another family, as one stands in Alipay's root file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = dn(C="CN", O="NRCAC", CN="ROOTCA")
    builder = CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(BEGINS).not_valid_after(ENDS)
    return builder.sign(key, X509_SHA256()).public_bytes(Encoding.PEM).decode()


ROOTS = f"{_sm2_root()}\n{ROOT.pem}\n{issue('Other Root', key='stranger', ca=0).pem}"


def certified(**changes: str) -> AccountKeys:
    """An account in certificate mode; an empty change leaves its key out."""
    values = {
        "alipay_public_key": "",
        "app_private_key": private_pem("ant-app"),
        "alipay_cert": ALIPAY.pem + MIDDLE.pem,
        "alipay_root_cert": ROOTS,
        "app_cert": APP.pem,
    }
    keys = account(**values | changes)
    return AccountKeys(keys.provider, keys.slug, keys.config, {k: v for k, v in keys.secrets.items() if v})


def signed(text: str, key: str = "ant-alipay") -> str:
    return base64.b64encode(
        pkcs1_15.new(RSA.import_key(private_pem(key))).sign(SHA256.new(text.encode()))
    ).decode()


def problems(keys: AccountKeys) -> list[str]:
    with translation.override("en"):
        return Alipay().check(keys)


# Serial numbers and requests


def test_production_root_serial() -> None:
    """The name and the number of the real root; 687b… is what everyone's requests carry (gopay, TestGetCertSN)."""
    name = dn(
        C="CN", O="Ant Financial", OU="Certification Authority", CN="Ant Financial Certification Authority R1"
    )
    root = issue("", key="ant-root", ca=1, subject=name, serial=2292228364100439313)
    other = dn(C="CN", O="iTrusChina", OU="China Trust Network", CN="iTrusChina Class 2 Root CA - G3")
    number = 95790491425698859646659490580052089075020051350
    second = issue("", key="ant-root", ca=1, subject=other, serial=number)
    assert root_serial(f"{_sm2_root()}\n{root.pem}\n{second.pem}") == (
        "687b59193f3f462dd5336e5abf83c5d8_02941eef3187dddf3d3b83462e1dfcf6"
    )


def oracle() -> DCAliPay:
    texts = (private_pem("ant-app"), APP.pem, ALIPAY.pem, ROOTS)
    return DCAliPay(APP_ID, *texts)


def test_request_serials_equal_those_of_the_sdk() -> None:
    params = dict(parse_qsl(urlsplit(Alipay().start(ATTEMPT, certified(), Gateway()).pay_url).query))
    assert params["app_cert_sn"] == oracle().app_cert_sn == serial(APP.certificate)
    assert params["alipay_root_cert_sn"] == oracle().alipay_root_cert_sn
    assert "_" in params["alipay_root_cert_sn"]
    sign = base64.b64decode(params.pop("sign"))
    digest = SHA256.new(signed_text(params).encode())
    pkcs1_15.new(RSA.import_key(public_pem("ant-app"))).verify(digest, sign)


def test_key_mode_sends_no_serials() -> None:
    assert "cert_sn" not in Alipay().start(ATTEMPT, account(), Gateway()).pay_url


# Notifications: no network, the account's own certificate


def notification(*, key: str = "ant-alipay", **extra: str) -> bytes:
    fields = dict(PAYMENT)
    return form({**fields, "sign": signed(signed_text(fields), key), "sign_type": "RSA2", **extra})


def test_notification_is_verified() -> None:
    assert Alipay().verify(call(notification()), certified()).kind is UpdateKind.PAYMENT


def test_serial_is_not_part_of_the_signed_text() -> None:
    parsed = Alipay().verify(call(notification(alipay_cert_sn=serial(ALIPAY.certificate))), certified())
    assert parsed.reference == PAYMENT["out_trade_no"]


def test_serial_may_be_signed_too() -> None:
    fields = {**PAYMENT, "alipay_cert_sn": "0" * 32}
    body = form({**fields, "sign": signed(signed_text(fields)), "sign_type": "RSA2"})
    assert Alipay().verify(call(body), certified()).kind is UpdateKind.PAYMENT


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        (notification(key="ant-app"), certified()),
        (notification(key="stranger"), certified()),
        (notification(key="ant-new"), certified()),
        (notification(x="1"), certified()),
        (notification(), certified(alipay_cert="junk")),
        (notification(alipay_cert_sn="1" * 32), account()),
    ],
)
def test_other_signers_are_rejected(body: bytes, keys: AccountKeys) -> None:
    with pytest.raises(Rejected) as caught:
        Alipay().verify(call(body), keys)
    assert caught.value.code == "bad_signature"


# Responses and successors


@pytest.fixture
def server(server: HTTPServer) -> HTTPServer:
    downloaded_certificates.forget()
    return server


def answered(server: HTTPServer, node: str, *, number: str, key: str, method: str = QUERY) -> None:
    name = f"{method.replace('.', '_')}_response"
    text = f'{{"{name}":{node},"alipay_cert_sn":"{number}","sign":"{signed(node, key)}"}}'
    server.expect_ordered_request("/gateway.do").respond_with_data(text)


def offer_successor(server: HTTPServer, *certificates: Issued) -> None:
    content = base64.b64encode("".join(one.pem for one in certificates).encode()).decode()
    node = json.dumps({"code": "10000", "msg": "Success", "alipay_cert_content": content})
    answered(server, node, number="0" * 32, key="ant-new", method="alipay.open.app.alipaycert.download")


def query(server: HTTPServer, **changes: str) -> TradeState:
    keys = certified(gateway_url=server.url_for("/gateway.do"), **changes)
    return Alipay().query(ATTEMPT, keys, Gateway()).state


def test_response_under_the_accounts_own(server: HTTPServer) -> None:
    answered(server, PAID, number=serial(ALIPAY.certificate), key="ant-alipay")
    assert query(server) is TradeState.PAID
    assert len(server.log) == 1


def test_successor_is_downloaded_once(server: HTTPServer) -> None:
    answered(server, PAID, number=serial(NEW.certificate), key="ant-new")
    offer_successor(server, NEW, MIDDLE)
    for _again in range(2):
        answered(server, PAID, number=serial(NEW.certificate), key="ant-new")
    assert [query(server) for _ in range(3)] == [TradeState.PAID] * 3
    sent = [{**request.args, **request.form} for request, _reply in server.log]
    assert [params["method"] for params in sent] == [
        QUERY, "alipay.open.app.alipaycert.download", QUERY, QUERY,
    ]  # fmt: skip
    assert json.loads(sent[1]["biz_content"]) == {"alipay_cert_sn": serial(NEW.certificate)}
    # From now on this process believes a notification under the new key, too.
    assert Alipay().verify(call(notification(key="ant-new")), certified()).kind is UpdateKind.PAYMENT


STRANGER_ROOT = issue("Ant Root R1", key="stranger", ca=1)
STRANGER = issue("", key="ant-new", by=STRANGER_ROOT, subject=ALIPAY_NAME)
PAST = datetime.now(UTC) - timedelta(days=1)
EXPIRED = issue("", key="ant-new", by=MIDDLE, subject=ALIPAY_NAME, ends_at=PAST)
ANOTHER_SHOP = issue("", key="ant-new", by=MIDDLE, subject=dn(C="CN", OU="Alipay", CN="2088999-2021999"))
SIGNED_BY_A_SHOP = issue("", key="ant-new", by=APP, subject=ALIPAY_NAME)


@pytest.mark.parametrize(
    ("papers", "number"),
    [
        ((STRANGER, STRANGER_ROOT), serial(STRANGER.certificate)),
        ((EXPIRED, MIDDLE), serial(EXPIRED.certificate)),
        ((ANOTHER_SHOP, MIDDLE), serial(ANOTHER_SHOP.certificate)),
        ((SIGNED_BY_A_SHOP, APP, MIDDLE), serial(SIGNED_BY_A_SHOP.certificate)),
        ((NEW, MIDDLE), "f" * 32),
        ((), "f" * 32),
    ],
    ids=["stranger", "expired", "another merchant", "issued by a merchant", "other number", "empty"],
)
def test_untrusted_successor_is_not_used(server: HTTPServer, papers: tuple[Issued, ...], number: str) -> None:
    answered(server, PAID, number=number, key="ant-new")
    offer_successor(server, *papers)
    with pytest.raises(OutsideError) as caught:
        query(server)
    assert (caught.value.code, caught.value.outcome_known) == ("provider_answer_refused", False)
    assert downloaded_certificates.all(certified(), at=datetime.now(UTC)) == []


@pytest.mark.parametrize("number", ["../x", "f" * 33, "F" * 32, "ｆ" * 32])
def test_malformed_serial_is_not_requested(server: HTTPServer, number: str) -> None:
    answered(server, PAID, number=number, key="ant-new")
    with pytest.raises(OutsideError):
        query(server)
    assert len(server.log) == 1


def test_unsigned_refusal_downloads_nothing(server: HTTPServer) -> None:
    server.expect_request("/gateway.do").respond_with_data(
        f'{{"alipay_trade_query_response":{refusal("ACQ.TRADE_NOT_EXIST")},"alipay_cert_sn":"{"e" * 32}"}}'
    )
    assert query(server) is TradeState.NOT_FOUND
    assert len(server.log) == 1


def test_successors_belong_to_their_account() -> None:
    downloaded_certificates.forget()
    now, number = datetime.now(UTC), serial(NEW.certificate)
    downloaded_certificates.accept(certified(), number, NEW.pem, at=now)
    assert downloaded_certificates.get(certified(), number, at=now) == rsa_key("ant-new").public_key()
    assert downloaded_certificates.get(certified(), number, at=ENDS + timedelta(days=1)) is None
    assert (
        downloaded_certificates.get(certified(app_cert="x", alipay_cert=ALIPAY.pem), number, at=now) is None
    )
    for position in range(70):
        other = certified(alipay_root_cert=f"{ROOTS}\n{position}")
        downloaded_certificates.accept(other, number, NEW.pem, at=now)
    assert downloaded_certificates.get(certified(), number, at=now) is None


# The account's self-check


def test_both_modes_have_no_problems() -> None:
    assert problems(certified()) == []
    assert problems(certified(alipay_cert=ALIPAY.pem, app_cert=APP.pem + MIDDLE.pem)) != []
    assert problems(account()) == []


OLD_APP = issue("", key="ant-app", by=MIDDLE, subject=APP_NAME, ends_at=PAST)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alipay_public_key": public_pem("ant-alipay")}, "give one or the other"),
        ({"app_cert": ""}, "app_cert is missing"),
        ({"alipay_root_cert": ""}, "alipay_root_cert is missing"),
        ({"app_private_key": private_pem("stranger")}, "app_private_key does not belong to app_cert"),
        ({"app_private_key": "junk"}, "app_private_key is not an RSA private key"),
        ({"alipay_cert": APP.pem + MIDDLE.pem}, "must be the certificate of Alipay"),
        ({"app_cert": ALIPAY.pem}, "app_private_key does not belong to app_cert"),
        ({"app_cert": public_pem("ant-app")}, "app_cert is not a certificate"),
        ({"alipay_cert": private_pem("ant-alipay")}, "alipay_cert holds a private key"),
        ({"alipay_cert": ALIPAY.pem[:200]}, "alipay_cert holds no certificate"),
        ({"alipay_root_cert": _sm2_root()}, "alipay_root_cert holds no certificate"),
        ({"app_cert": OLD_APP.pem}, "app_cert: A certificate of its chain has expired"),
        ({"alipay_cert": STRANGER.pem + MIDDLE.pem}, "alipay_cert: It was not issued under the root"),
    ],
)
def test_problems_of_certificate_mode(changes: dict[str, str], message: str) -> None:
    found = problems(certified(**changes))
    assert len(found) == 1
    assert message in found[0]
    assert "BEGIN" not in found[0]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (account(alipay_public_key=""), "alipay_public_key is missing, or in certificate mode"),
        (account(alipay_public_key=ALIPAY.pem), "in certificate mode it is called alipay_cert"),
        (account(alipay_public_key=private_pem("ant-app")), "holds a private key"),
    ],
)
def test_problems_of_mixed_modes(keys: AccountKeys, message: str) -> None:
    assert [message in problem for problem in problems(keys)] == [True]


@pytest.mark.django_db
def test_mode_changes_at_once_or_not_at_all() -> None:
    saved = build_alipay(app_private_key=private_pem("ant-app"))
    certificates = {"alipay_cert": ALIPAY.pem + MIDDLE.pem, "alipay_root_cert": ROOTS, "app_cert": APP.pem}
    for values in (certificates, {**certificates, "alipay_public_key": "", "app_cert": ""}):
        with pytest.raises(DomainError) as caught:
            change_account(saved, values)
        assert caught.value.code == "bad_account"
        assert "alipay_cert" not in keys_of(PaymentAccount.objects.get()).secrets
    changed = change_account(saved, {**certificates, "alipay_public_key": ""})
    assert set(keys_of(changed).secrets) == {*certificates, "app_private_key"}
    assert "BEGIN" not in json.dumps(changed.config)
