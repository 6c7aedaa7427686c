"""Control calls about money: pay, refund, reverse, notify again, and differences in a bill."""

import io
import secrets
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlsplit

from sandbox.alipay import gateway as alipay
from sandbox.formats import beijing, fen, now
from sandbox.trading import announce_by_provider, bill_files, bills, deliveries, refunding, refunds, trades
from sandbox.trading.bills import Difference
from sandbox.trading.cashier import settle
from sandbox.trading.refunds import NewRefund, Refund
from sandbox.trading.trades import Trade
from sandbox.unionpay import gateway as unionpay
from sandbox.unionpay.wire import read_message
from sandbox.web import Request, Response, json_response, read_form
from sandbox.webhook import gateway as webhook
from sandbox.wechatpay import gateway as wechatpay
from sandbox.world import World

Body = Mapping[str, object]


class BadControl(Exception):
    """The control call is invalid; the text is the reason."""


def pay(world: World, body: Body) -> Response:
    """Pay without a browser: by `reference`, or by the `pay_url` or `code_url` that a buyer would open."""
    address = body.get("pay_url") or body.get("code_url")
    trade = _trade_behind(world, address) if isinstance(address, str) and address else find_trade(world, body)
    paid = settle(world, trades.visit(world.store, trade))
    return json_response(
        {"reference": paid.reference, "provider_reference": paid.provider_reference, "state": "paid"}
    )


def _trade_behind(world: World, address: str) -> Trade:
    """Open the address as a browser would (a signed request or a cashier page) and return its trade."""
    parts = urlsplit(address)
    if parts.path.endswith("/gateway.do"):
        return alipay.accept_page_pay(world, read_form(parts.query, charset="utf-8"))
    if parts.path.endswith("/frontTransReq.do"):
        return unionpay.accept_front(
            world, read_message(world, Request("GET", parts.path, parts.query, {}, b""))
        )
    trade = trades.find_token(world.store, parts.path.rpartition("/")[2])
    if trade is None:
        raise BadControl("unknown pay_url")
    return trade


_REFUND: Mapping[str, Callable[..., Refund]] = {
    "alipay": alipay.make_refund,
    "wechatpay": wechatpay.make_refund,
    "unionpay": unionpay.make_refund,
    "webhook": webhook.make_refund,
}


def refund(world: World, body: Body) -> Response:
    """A refund made at the provider without the merchant's API; without `amount` all that is left."""
    trade = find_trade(world, body)
    left = trade.fen - refunds.taken(world.store, trade)
    amount = left if body.get("amount") is None else fen(body["amount"])
    number = str(body.get("refund_reference") or "R" + secrets.token_hex(8).upper())
    if refunds.find(world.store, trade, reference=number) is not None:
        raise BadControl("this refund was made before")
    # A refund in the provider's console names no callback address: the trade's own is notified.
    new = NewRefund(number, amount, reason="control", extra={"notify_url": trade.notify_url})
    done = _REFUND[trade.provider](world, trade, new, active={"processing": 0})
    after = trades.get_trade(world.store, trade.id)
    return json_response({"refund_reference": done.reference, "state": after.state})


def settle_refund(world: World, body: Body) -> Response:
    """End a refund that is processing or stuck: `state` is succeeded, abnormal or closed."""
    found = refunds.latest_of(world.store, str(body.get("refund_reference") or ""))
    if found is None:
        raise BadControl("unknown refund_reference")
    state = str(body.get("state") or "succeeded")
    ended = refunding.settle_by_hand(world, found, state=state)
    return json_response({"refund_reference": ended.reference, "state": ended.state})


def reverse(world: World, body: Body) -> Response:
    """Reverse a paid trade, as after a dispute; no notification is sent."""
    reversed_ = trades.reverse(world.store, find_trade(world, body))
    return json_response({"reference": reversed_.reference, "state": reversed_.state})


def notify(world: World, body: Body) -> Response:
    """Send the last notification again (same id); or a new one of `kind` payment, refund, closed, finished."""
    trade, kind = find_trade(world, body), body.get("kind")
    if kind is not None:
        _announce(world, trade, str(kind))
        return json_response({"queued": str(kind)}, status=202)
    if deliveries.send_again(world.store, trade_id=trade.id) is None:
        raise BadControl("nothing was sent for this trade yet")
    return json_response({"queued": "again"}, status=202)


def _announce(world: World, trade: Trade, kind: str) -> None:
    last = refunds.last(world.store, trade)
    if kind == "refund" and last is not None and last.state != "processing":
        announce_by_provider.announce_refund(world, trade, last)
        return
    unpaid = kind == "payment" and trade.paid_at is None
    if unpaid or not announce_by_provider.announce(world, trade, kind=kind):
        raise BadControl("there is no such notification for this trade")


def quiet(world: World, body: Body) -> Response:
    """Give up every notification that waits for another try."""
    return json_response({"given_up": deliveries.give_up_all(world.store)})


def rotate(world: World, body: Body) -> Response:
    """Make Alipay sign with a new certificate, in certificate mode; only responses name its serial number."""
    return json_response({"alipay_cert_sn": world.keys.alipay_certificates.rotate()})


def add_difference(world: World, body: Body) -> Response:
    """Add a difference to the bill of a day: missing, extra, amount, duplicate or zero."""
    wrong = Difference(
        provider=str(body.get("provider")),
        day=str(body.get("day") or beijing(now())[:10]),
        kind=str(body.get("kind")),
        reference=str(body.get("reference") or ""),
        fen=fen(body["amount"]) if body.get("amount") is not None else 1,
    )
    if not wrong.reference:
        raise BadControl("reference is missing")
    bills.add_difference(world.store, wrong)
    found = bills.differences(world.store, provider=wrong.provider, day=wrong.day)
    return json_response({"differences": len(found)}, status=201)


def clear_differences(world: World, body: Body) -> Response:
    """Remove all differences from the bills."""
    world.store.rows("DELETE FROM bill_differences")
    return json_response({"differences": 0})


def bill(world: World, query: str) -> Response:
    """Download the bill of a day, today's too, as from the provider's console: `?provider=&day=&form=&app_id=`."""
    wanted = dict(parse_qsl(query))
    provider, day = wanted.get("provider", ""), wanted.get("day") or beijing(now())[:10]
    if provider not in bill_files.PROVIDERS:
        raise BadControl("unknown provider")
    app_id = wanted.get("app_id") or world.settings.app_id
    lines = bills.lines_of(
        world.store, provider=provider, day=day, merchant=app_id if provider == "alipay" else ""
    )
    merchant = bill_files.merchant_of(provider, world.settings)
    if app_id == world.settings.cert_app_id:
        merchant = world.settings.cert_seller_id
    packed = io.BytesIO()
    if provider == "wechatpay":
        form = wanted.get("form", "ALL")
        if form not in bill_files.WECHAT_COLUMNS:
            raise BadControl("unknown form")
        packed.write("".join(bill_files.wechat_bill(lines, form=form, merchant=merchant)).encode())
    else:
        bill_files.write(provider, lines, day=day, merchant=merchant, target=packed)
    ending = "csv" if provider == "wechatpay" else "zip"
    disposition = {"Content-Disposition": f'attachment; filename="{provider}-{day}.{ending}"'}
    return Response(200, packed.getvalue(), "application/octet-stream", disposition)


def find_trade(world: World, body: Body) -> Trade:
    """By reference. Raises BadControl."""
    trade = trades.latest_of(world.store, str(body.get("reference") or ""))
    if trade is None:
        raise BadControl("unknown reference")
    return trade
