"""The control API: JSON calls with which a tester changes the simulated world."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from sandbox import faults
from sandbox.alipay.wire import GatewayError
from sandbox.carrier import order_pushes, parcels, sf_pushes, sto_push, yto_push
from sandbox.carrier.parcels import NewParcel
from sandbox.control import messages as control_messages
from sandbox.control import trades as control_trades
from sandbox.control.page import control_page, panel
from sandbox.control.trades import BadControl
from sandbox.faults import BadFault, FaultOrder
from sandbox.fulfilment import instructions
from sandbox.receiver import hooks
from sandbox.state import describe_state
from sandbox.trading.trades import TradeRefused
from sandbox.unionpay.wire import Refused
from sandbox.web import Request, Response, html_response, json_response, read_json
from sandbox.webhook.gateway import CallRefused
from sandbox.wechatpay.wire import ApiError
from sandbox.world import World

Body = Mapping[str, object]
PUSHING = (yto_push.CARRIER, sto_push.CARRIER)
SPEEDS = ("parcel_seconds", "ship_seconds", "notify_speed")


def handle_control(world: World, request: Request) -> Response:
    """`/` and `/control/…`. An error is `{"error": code}` with a 4xx."""
    if _is_cross_site(request):
        return json_response({"error": "foreign_origin"}, status=403)
    handler = _HANDLERS.get((request.method, request.path))
    try:
        if (request.method, request.path) == ("GET", "/control/bill"):
            return control_trades.bill(world, request.query)
        if (request.method, request.path) in control_messages.PAGES:
            return control_messages.PAGES[request.method, request.path](world, request.query)
        if handler is None:
            return json_response({"error": "unknown_call"}, status=404)
        return handler(world, read_json(request.body))
    except (TradeRefused, CallRefused, ApiError, Refused) as refused:
        return json_response({"error": refused.code}, status=409)
    except GatewayError as error:
        return json_response({"error": error.sub_code}, status=409)
    except (BadControl, BadFault, ValueError) as error:
        return json_response({"error": str(error)}, status=400)


def _is_cross_site(request: Request) -> bool:
    """Whether another site's page sends the call: browsers name its origin."""
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


def _parcel(world: World, body: Body) -> Response:
    """Return a parcel; `com` registers it first, `advance` moves it to its next step."""
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


def _sf_push(world: World, body: Body) -> Response:
    """Where SF pushes routes to, as one says in its console; an empty `url` stops it."""
    url, form = str(body.get("url") or ""), str(body.get("form") or "json")
    if url and urlsplit(url).scheme not in ("http", "https"):
        raise BadControl("url is not an http address")
    if form not in sf_pushes.FORMS:
        raise BadControl("form is not json or xml")
    sf_pushes.set_push(world.store, url=url, form=form)
    return json_response({"url": url, "form": form})


def _push_address(world: World, body: Body) -> Response:
    """Have a carrier (`yto` or `sto`) push the events of the parcels ordered there to `url`; empty: no more."""
    url, carrier = body.get("url"), body.get("carrier", "yto")
    if not isinstance(url, str):
        raise BadControl("url is not a text")
    if carrier not in PUSHING:
        raise BadControl("carrier does not push")
    order_pushes.set_address(world.store, str(carrier), url)
    return json_response({"url": url, "carrier": carrier})


def _fetching(world: World, body: Body) -> Response:
    """Have the ERP fetch the instructions of this warehouse, or with `stop` no more."""
    slug = str(body.get("slug") or "")
    if not slug:
        raise BadControl("slug is missing")
    instructions.set_fetching(world.store, slug, is_on=body.get("stop") is not True)
    return json_response({"slug": slug})


def _receiver(world: World, body: Body) -> Response:
    """Give a receiver of webhooks its secret, as its owner does who got it from the shop."""
    name = str(body.get("name") or "")
    if not name:
        raise BadControl("name is missing")
    hooks.set_secret(world.store, name, str(body.get("secret") or ""))
    return json_response({"name": name, "url": f"{world.settings.origin}/receiver/{name}/"})


def _forget_hooks(world: World, body: Body) -> Response:
    hooks.forget(world.store)
    return json_response({"hooks": []})


def _forget_instructions(world: World, body: Body) -> Response:
    instructions.forget(world.store)
    return json_response({"instructions": []})


def _speed(world: World, body: Body) -> Response:
    wanted = {name: _number(body, name) for name in SPEEDS if name in body}
    if any(value <= 0 for value in wanted.values()):
        raise BadControl("a speed must be greater than zero")
    for name in ("parcel_lock", "bill_today", "message_limits"):
        if name in body:
            wanted[name] = 1 if body[name] is True else 0
    for name, value in wanted.items():
        world.store.tune(name, value)
    return json_response(describe_state(world)["speed"])


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
    ("DELETE", "/control/instructions"): _forget_instructions,
    ("POST", "/control/receiver"): _receiver,
    ("DELETE", "/control/hooks"): _forget_hooks,
    ("POST", "/control/pay"): control_trades.pay,
    ("POST", "/control/refund"): control_trades.refund,
    ("POST", "/control/settle_refund"): control_trades.settle_refund,
    ("POST", "/control/reverse"): control_trades.reverse,
    ("POST", "/control/notify"): control_trades.notify,
    ("DELETE", "/control/notifications"): control_trades.quiet,
    ("POST", "/control/rotate"): control_trades.rotate,
    ("POST", "/control/bill_difference"): control_trades.add_difference,
    ("DELETE", "/control/bill_difference"): control_trades.clear_differences,
    ("POST", "/control/parcel"): _parcel,
    ("POST", "/control/sf_push"): _sf_push,
    ("POST", "/control/push_address"): _push_address,
    ("POST", "/control/fetching"): _fetching,
    ("POST", "/control/speed"): _speed,
    **control_messages.HANDLERS,
}
