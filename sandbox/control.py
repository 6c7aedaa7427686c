"""The control API: what a tester does to the outside world, JSON in and JSON out."""

import secrets
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from sandbox import alipay, alipay_notices, deliveries, faults, parcels, trades, webhook, webhook_notices
from sandbox.alipay_wire import GatewayError
from sandbox.cashier import settle
from sandbox.control_page import control_page, panel
from sandbox.faults import BadFault, FaultOrder
from sandbox.formats import fen
from sandbox.parcels import NewParcel
from sandbox.state import describe_state
from sandbox.trades import Trade, TradeRefused
from sandbox.web import Request, Response, html_response, json_response, read_form, read_json
from sandbox.webhook import CallRefused
from sandbox.world import World

Body = Mapping[str, object]
SPEEDS = ("parcel_seconds", "ship_seconds", "notify_speed")


class BadControl(Exception):
    """The call makes no sense; the text says why."""


def handle_control(world: World, request: Request) -> Response:
    """`/` and `/control/…`. An error is `{"error": code}` with a 4xx."""
    if _comes_from_elsewhere(request):
        return json_response({"error": "foreign_origin"}, status=403)
    handler = _HANDLERS.get((request.method, request.path))
    if handler is None:
        return json_response({"error": "unknown_call"}, status=404)
    try:
        return handler(world, read_json(request.body))
    except (TradeRefused, CallRefused) as refused:
        return json_response({"error": refused.code}, status=409)
    except GatewayError as error:
        return json_response({"error": error.sub_code}, status=409)
    except (BadControl, BadFault, ValueError) as error:
        return json_response({"error": str(error)}, status=400)


def _comes_from_elsewhere(request: Request) -> bool:
    """A page of another site must not press our buttons."""
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def _page(world: World, body: Body) -> Response:
    return html_response(control_page(world))


def _panel(world: World, body: Body) -> Response:
    return html_response(panel(world))


def _state(world: World, body: Body) -> Response:
    return json_response(describe_state(world))


def _add_fault(world: World, body: Body) -> Response:
    times = body.get("times", 1)
    order = FaultOrder(
        target=str(body.get("target")),
        fault=str(body.get("fault")),
        value=None if body.get("value") is None else _number(body, "value"),
        times=None if times is None else int(_number(body, "times", default=1)),
    )
    return json_response({"id": faults.add(world.store, order)}, status=201)


def _clear_faults(world: World, body: Body) -> Response:
    faults.clear(world.store, None if body.get("id") is None else int(_number(body, "id")))
    return json_response({"faults": describe_state(world)["faults"]})


def _pay(world: World, body: Body) -> Response:
    """Pay without a browser: by `reference`, or by the `pay_url` that a buyer would open."""
    address = body.get("pay_url")
    trade = _trade_behind(world, address) if isinstance(address, str) and address else _trade(world, body)
    paid = settle(world, trades.visit(world.store, trade))
    return json_response(
        {"reference": paid.reference, "provider_reference": paid.provider_reference, "state": "paid"}
    )


def _trade_behind(world: World, address: str) -> Trade:
    """Do what a browser does with the address: a signed page pay query, or a cashier's own page."""
    parts = urlsplit(address)
    if parts.path.endswith("/gateway.do"):
        return alipay.accept_page_pay(world, read_form(parts.query, charset="utf-8"))
    trade = trades.find_token(world.store, parts.path.rpartition("/")[2])
    if trade is None:
        raise BadControl("unknown pay_url")
    return trade


def _refund(world: World, body: Body) -> Response:
    """A refund made at the provider without the merchant's API; without `amount` all that is left."""
    trade = _trade(world, body)
    amount = trade.fen - trade.refunded_fen if body.get("amount") is None else fen(body["amount"])
    number = str(body.get("refund_reference") or "R" + secrets.token_hex(8).upper())
    if trades.find_refund(world.store, trade, reference=number) is not None:
        raise BadControl("this refund was made before")
    make = {"alipay": alipay.make_refund, "webhook": webhook.make_refund}[trade.provider]
    done = make(world, trade, reference=number, fen=amount, reason="control")
    after = trades.get_trade(world.store, trade.id)
    return json_response({"refund_reference": done.reference, "state": after.state})


def _notify(world: World, body: Body) -> Response:
    """Send the last notification again (same id); or a new one of `kind` payment, refund, closed, finished."""
    trade, kind = _trade(world, body), body.get("kind")
    if kind is not None:
        _announce(world, trade, str(kind))
        return json_response({"queued": str(kind)}, status=202)
    if deliveries.send_again(world.store, trade_id=trade.id) is None:
        raise BadControl("nothing was sent for this trade yet")
    return json_response({"queued": "again"}, status=202)


def _quiet(world: World, body: Body) -> Response:
    """Give up every notification that waits for another try."""
    return json_response({"given_up": deliveries.give_up_all(world.store)})


def _announce(world: World, trade: Trade, kind: str) -> None:
    plain: Mapping[tuple[str, str], Callable[[World, Trade], None]] = {
        ("alipay", "payment"): alipay_notices.announce_payment,
        ("alipay", "closed"): alipay_notices.announce_closing,
        ("alipay", "finished"): alipay_notices.announce_end,
        ("webhook", "payment"): webhook_notices.announce_payment,
        ("webhook", "closed"): webhook_notices.announce_closing,
    }
    about_refund = {"alipay": alipay_notices.announce_refund, "webhook": webhook_notices.announce_refund}
    refund = trades.last_refund(world.store, trade)
    if kind == "refund" and refund is not None:
        about_refund[trade.provider](world, trade, refund)
    elif (trade.provider, kind) in plain:
        plain[trade.provider, kind](world, trade)
    else:
        raise BadControl("there is no such notification for this trade")


def _parcel(world: World, body: Body) -> Response:
    """Look at a parcel, make it known (`com`), or let it do its next step (`advance`)."""
    number = str(body.get("number") or "")
    if isinstance(body.get("com"), str) and number:
        parcels.take_parcel(world.store, NewParcel(number, str(body["com"]), "control"))
    parcel = (parcels.advance if body.get("advance") is True else parcels.find_parcel)(world.store, number)
    if parcel is None:
        raise BadControl("unknown parcel")
    last = parcel.events[-1].step
    return json_response(
        {"number": number, "steps_done": len(parcel.times), "steps": len(parcel.route), "last": last.text}
    )


def _speed(world: World, body: Body) -> Response:
    wanted = {name: _number(body, name) for name in SPEEDS if name in body}
    if any(value <= 0 for value in wanted.values()):
        raise BadControl("a speed must be greater than zero")
    if "parcel_lock" in body:
        wanted["parcel_lock"] = 1 if body["parcel_lock"] is True else 0
    for name, value in wanted.items():
        world.store.tune(name, value)
    return json_response(describe_state(world)["speed"])


def _trade(world: World, body: Body) -> Trade:
    trade = trades.latest_of(world.store, str(body.get("reference") or ""))
    if trade is None:
        raise BadControl("unknown reference")
    return trade


def _number(body: Body, name: str, *, default: float = 0) -> float:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadControl(f"{name} is not a number")
    return float(value)


_HANDLERS: Mapping[tuple[str, str], Callable[[World, Body], Response]] = {
    ("GET", "/"): _page,
    ("GET", "/control/panel"): _panel,
    ("GET", "/control/state"): _state,
    ("POST", "/control/faults"): _add_fault,
    ("DELETE", "/control/faults"): _clear_faults,
    ("POST", "/control/pay"): _pay,
    ("POST", "/control/refund"): _refund,
    ("POST", "/control/notify"): _notify,
    ("DELETE", "/control/notifications"): _quiet,
    ("POST", "/control/parcel"): _parcel,
    ("POST", "/control/speed"): _speed,
}
