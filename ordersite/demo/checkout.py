"""The demonstration checkout: one purchase is one order, however often the button is pressed.

The page makes a UUID when it opens; it travels as `Idempotency-Key` (and as a hidden field, so that the page also works
without a script). The page uses the same creation and the same payment attempt as the API.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import asdict, dataclass, replace
from decimal import Decimal

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from orders.history.lines import Actor, Evidence
from orders.intake import idempotency
from orders.intake.create import AddressDraft, BuyerDraft, LineDraft, OrderDraft
from orders.intake.once import KeyedCall, create_once
from orders.models import ApiClient, Merchant, Order, OrderStatus
from ordersite.demo import answers
from ordersite.demo.answers import OrderLink
from ordersite.demo.seed import CHECKOUT_CLIENT, SLUG
from ordersite.lib.errors import DomainError
from ordersite.server.client_address import sender_of
from ordersite.server.content_policy import leads_to_cashier
from payments.attempts.choices import place_to_pay
from payments.attempts.start import start_attempt
from payments.models import PaymentAccount

QUANTITIES = tuple(range(1, 10))
_PHONE = re.compile(r"1[3-9][0-9]{9}", re.ASCII)
_DEVICE = re.compile(r"[0-9A-Za-z-]{1,100}", re.ASCII)
_SESSION = "demo-buyer"


@dataclass(frozen=True, slots=True)
class Product:
    product_id: str
    name: str | Promise
    price: Decimal
    shipping_fee: Decimal


@dataclass(frozen=True, slots=True)
class Way:
    """A way to pay: an account, its label and a short explanation for the buyer."""

    slug: str
    mark: str
    label: str | Promise
    hint: str | Promise
    is_chosen: bool = False


WAYS = (
    Way("demo-alipay", "支", gettext_lazy("Alipay"), gettext_lazy("Opens Alipay's cashier")),
    Way("demo-wechatpay", "微", gettext_lazy("WeChat Pay"), gettext_lazy("Scan a code with your phone")),
    Way("demo-unionpay", "银", gettext_lazy("UnionPay"), gettext_lazy("Pay with a bank card")),
    Way("demo-alipay-cert", "支", gettext_lazy("Alipay (certificate mode)"), gettext_lazy("For developers")),
    Way(
        "demo-webhook",
        "W",
        gettext_lazy("Any other provider (Standard Webhooks)"),
        gettext_lazy("For developers"),
    ),
)
CUP = Product("thermos-500", gettext_lazy("Thermos cup 500 ml"), Decimal("88.80"), Decimal("8.00"))


@dataclass(frozen=True, slots=True)
class Form:
    """What the buyer filled in."""

    name: str = "王小明"
    phone: str = "13800138000"
    province: str = "浙江省"
    city: str = "杭州市"
    district: str = "西湖区"
    street: str = "文三路 138 号东方通信大厦 7 楼"
    quantity: int = 1
    account: str = "demo-alipay"
    confirm_duplicate: bool = False

    def problem(self) -> str:
        """Return the first mistake as a sentence, "" if there is none."""
        texts = (self.name, self.province, self.city, self.district, self.street)
        if not all(text and "\x00" not in text and len(text) <= 200 for text in texts) or len(self.name) > 40:
            return _("Please fill in the recipient and the whole address.")
        if not _PHONE.fullmatch(self.phone):
            return _("Please give a mobile phone number of 11 digits.")
        if self.quantity not in QUANTITIES:
            return _("Please choose a quantity from 1 to 9.")
        return ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the page is shown again.

    `twin` is the number of an order that looks the same. `order_link`: where to go on with the order that is there.
    `key`: the key of the next try; "" for a new one.
    """

    problem: str = ""
    twin: str = ""
    status: int = 200
    order_link: OrderLink | None = None
    key: str = ""


NO_TROUBLE = Trouble()


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@leads_to_cashier
def checkout(request: HttpRequest) -> HttpResponse:
    client = (
        ApiClient.objects.filter(merchant__slug=SLUG, name=CHECKOUT_CLIENT, is_active=True)
        .select_related("merchant")
        .first()
    )
    if not settings.DEMO_SHOP or client is None:
        raise Http404
    # From the first look on: two tabs that send at once are one buyer.
    buyer = request.session.setdefault(_SESSION, f"web-{uuid.uuid4().hex[:12]}")
    if request.method != "POST":
        return show(request, client, Form())
    form = read_form(request)
    try:
        order, next_url = submit(request, client, form, buyer)
    except DomainError as error:
        return refuse(request, client, form, error)
    if not wants_json(request):
        return redirect(next_url)
    return JsonResponse(answers.made_json(order, next_url), status=201)


def wants_json(request: HttpRequest) -> bool:
    return "application/json" in request.headers.get("Accept", "")


def read_form(request: HttpRequest) -> Form:
    posted = request.POST
    quantity = posted.get("quantity", "")
    texts = {
        name: posted.get(name, "").strip()
        for name in ("name", "phone", "province", "city", "district", "street")
    }
    return Form(
        **texts,
        quantity=int(quantity) if quantity in {str(n) for n in QUANTITIES} else 0,
        account=posted.get("account", "")[:40],
        confirm_duplicate=posted.get("confirm_duplicate") == "1",
    )


def submit(request: HttpRequest, client: ApiClient, form: Form, buyer: str) -> tuple[Order, str]:
    """Create the order once and start its payment; returns it and the address of the next page. Raises DomainError."""
    if problem := form.problem():
        raise DomainError("invalid", "%(problem)s", problem=problem)
    key = idempotency.check_key(sent_key(request))
    # Who pays another way after a provider has not answered pays the same order.
    body = json.dumps(asdict(replace(form, account="")), sort_keys=True).encode()
    draft = draft_of(request, form, key, buyer)
    digest = idempotency.digest(request.path, body)
    created = create_once(draft, KeyedCall(client, key, digest))
    order = Order.objects.get(pk=created.pk)
    if order.status == OrderStatus.CLOSED:
        raise answers.order_over(order)
    return order, collect(order, client, form.account)


def sent_key(request: HttpRequest) -> str | None:
    return request.headers.get("Idempotency-Key") or request.POST.get("idempotency_key")


def draft_of(request: HttpRequest, form: Form, key: str, buyer: str) -> OrderDraft:
    return OrderDraft(
        buyer=BuyerDraft(id=buyer, name=form.name, phone=form.phone),
        lines=(LineDraft(CUP.product_id, str(CUP.name), form.quantity, CUP.price),),
        address=AddressDraft(form.province, form.city, form.district, form.street),
        actor=Actor("buyer", buyer),
        evidence=Evidence("idempotency_key", key[:64]),
        shipping_fee=CUP.shipping_fee,
        device_id=device_of(request),
        client_ip=sender_of(request.META, settings.TRUSTED_PROXIES),
        confirm_duplicate=form.confirm_duplicate,
        trigger="checkout",
    )


def device_of(request: HttpRequest) -> str:
    """The random number that the buyer's browser keeps; "" for what is none."""
    sent = request.POST.get("device_id", "")
    return sent if _DEVICE.fullmatch(sent) else ""


def collect(order: Order, client: ApiClient, account_slug: str) -> str:
    """Return the address of the cashier or of the page with the code; of the tracking page if nothing is left to pay."""
    if order.status != OrderStatus.PENDING:
        return reverse("track", args=[order.tracking_token])
    account = PaymentAccount.objects.filter(
        merchant=client.merchant, slug=account_slug, is_active=True
    ).first()
    if account is None:
        raise DomainError("invalid", gettext_lazy("Please choose how to pay."))
    return place_to_pay(start_attempt(order, account).payment)


def ways_to_pay(merchant: Merchant, chosen: str) -> list[Way]:
    """Return the ways whose accounts are active, in the order of `WAYS`; without a choice the first is chosen."""
    accounts = PaymentAccount.objects.active().filter(merchant=merchant)
    slugs = set(accounts.values_list("slug", flat=True))
    ways = [way for way in WAYS if way.slug in slugs]
    known = chosen if any(way.slug == chosen for way in ways) else (ways[0].slug if ways else "")
    return [replace(way, is_chosen=way.slug == known) for way in ways]


def refuse(request: HttpRequest, client: ApiClient, form: Form, error: DomainError) -> HttpResponse:
    """Say why in the buyer's language."""
    status, link = answers.status_of(error), answers.link_to(error, client.merchant)
    if wants_json(request):
        reply: HttpResponse = JsonResponse(answers.refusal_json(error, link), status=status)
    else:
        key = "" if answers.needs_new_key(error) else (sent_key(request) or "")
        trouble = Trouble(answers.words_of(error), answers.twin_of(error), status, link, key)
        reply = show(request, client, form, trouble)
    if wait := answers.wait_of(error):
        reply.headers["Retry-After"] = str(wait)
    return reply


def show(request: HttpRequest, client: ApiClient, form: Form, trouble: Trouble = NO_TROUBLE) -> HttpResponse:
    shown = replace(form, quantity=form.quantity or 1)
    goods = CUP.price * shown.quantity
    context = {
        "merchant": client.merchant,
        "product": CUP,
        "quantities": QUANTITIES,
        "draft": shown,
        "key": trouble.key or str(uuid.uuid4()),
        "problem": trouble.problem,
        "twin": trouble.twin,
        "order_link": trouble.order_link,
        "totals": {"goods": goods, "total": goods + CUP.shipping_fee},
        "ways": ways_to_pay(client.merchant, shown.account),
    }
    return render(request, "demo/checkout.html", context, status=trouble.status)
