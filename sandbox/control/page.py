"""The control page: the data of `describe_state` as tables with buttons. Chinese first, English beside it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from sandbox import faults
from sandbox.formats import beijing, fen, from_iso, yuan
from sandbox.pages import render
from sandbox.state import describe_speed, describe_state
from sandbox.world import World

_STATES = {
    "waiting": ("待付款", ""),
    "paid": ("已付款", "good"),
    "closed": ("已关闭", ""),
    "refunded": ("已退款", "warn"),
    "reversed": ("已撤销", "bad"),
    "processing": ("处理中", "warn"),
    "succeeded": ("已成功", "good"),
    "abnormal": ("异常", "bad"),
    "queued": ("排队", "warn"),
    "sending": ("发送中", "warn"),
    "done": ("已送达", "good"),
    "given_up": ("已放弃", "bad"),
    "broken": ("内部错误", "bad"),
    "seen": ("备货中", "warn"),
    "taken": ("备货中", "warn"),
    "silent": ("不理会", "bad"),
    "cancelled": ("已取消", ""),
    "shipped": ("已发货", "good"),
    "refused": ("被拒绝", "bad"),
    "bad_signature": ("验签失败", "bad"),
}
_PROVIDERS = {"alipay": "支付宝", "wechatpay": "微信支付", "unionpay": "银联", "webhook": "Webhook"}
_BILLS = ("alipay", "wechatpay", "unionpay")
_MOST_HOOKS = 50
Row = Mapping[str, object]


def control_page(world: World) -> str:
    """Build the page; its panel is fetched again every two seconds."""
    speed = describe_speed(world)
    allowed = {target: sorted(names) for target, names in faults.ALLOWED.items()}
    numbers = {name: f"{speed[name]:g}" for name in ("parcel_seconds", "ship_seconds", "notify_speed")}
    switches = {name: "1" if speed[name] else "0" for name in ("parcel_lock", "bill_today", "message_limits")}
    page = render("control.html", **numbers, **switches)
    return page.replace("@allowed@", json.dumps(allowed)).replace("@bills@", _bill_links())


def _bill_links() -> str:
    """Build links to today's bill of each provider that has bills."""
    links = (f'<a href="/control/bill?provider={name}">{_PROVIDERS[name]}</a>' for name in _BILLS)
    return " · ".join(links)


def panel(world: World) -> str:
    """Build the tables of the current state."""
    state = describe_state(world)
    return "".join(
        (
            _section(
                "生效的故障 Faults",
                ("对象", "故障", "数值", "剩余次数", ""),
                map(_fault, _rows(state["faults"])),
            ),
            _section(
                "交易 Trades",
                ("商户单号", "渠道", "商品", "金额", "已退", "状态", "创建", ""),
                map(_trade, _rows(state["trades"])),
            ),
            _section(
                "退款 Refunds",
                ("商户单号", "渠道", "退款单号", "金额", "状态", "时间", ""),
                map(_refund, _rows(state["refunds"])),
            ),
            _section(
                "发出的通知 Notifications",
                ("商户单号", "类型", "状态", "次数", "最近应答", "耗时", "地址"),
                map(_notification, _rows(state["notifications"])),
            ),
            _section(
                "包裹 Parcels",
                ("运单号", "快递", "进度", "最新轨迹", "时间", ""),
                map(_parcel, _rows(state["parcels"])),
            ),
            _section(
                "仓库 Warehouse",
                ("订单号", "快递", "运单号", "保价", "状态", "说明"),
                map(_shipment, _rows(state["warehouse"])),
            ),
            _section(
                "发货指令 Instructions",
                ("编号", "订单号", "仓库", "形式", "收到次数", "催办", "取消", "状态", "运单号", "说明"),
                map(_instruction, _rows(state["instructions"])),
            ),
            _section(
                "收到的 Webhook Webhooks received",
                ("接收方", "事件", "订单号", "消息编号", "第几次", "状态", "时间"),
                map(_hook, _rows(state["hooks"])[:_MOST_HOOKS]),
            ),
        )
    )


def _rows(value: object) -> Sequence[Row]:
    return value if isinstance(value, list) else []


def _section(title: str, heads: Sequence[str], rows: Iterable[str]) -> str:
    body = "".join(rows)
    if not body:
        return f'<section class="card"><h2>{title}</h2><div class="empty">暂无 Nothing yet</div></section>'
    head = "".join(f"<th>{one}</th>" for one in heads)
    table = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    return f'<section class="card"><h2>{title}</h2>{table}</section>'


def _cells(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _say(value: object) -> str:
    return escape(str(value))


def _tag(state: object) -> str:
    word, colour = _STATES.get(str(state), (str(state), ""))
    return f'<span class="tag {colour}">{escape(word)}</span>'


# The confirmation that a button shows before its call; not part of the call.
_ASIDE = ("ask", "amount", "sure")


def _button(label: str, call: str, **more: object) -> str:
    body = {name: value for name, value in more.items() if name not in _ASIDE}
    extra = "".join(f' data-{name}="{_say(more[name])}"' for name in _ASIDE if name in more)
    return f'<button data-call="{call}" data-body="{_say(json.dumps(body))}"{extra}>{label}</button> '


def _clock(moment: object) -> str:
    return f'<time datetime="{_say(moment)}">{beijing(from_iso(str(moment)))[11:]}</time>'


def _fault(row: Row) -> str:
    left = "一直 until cleared" if row["remaining"] is None else row["remaining"]
    remove = _button("移除", "DELETE /control/faults", id=row["id"])
    return _cells(_say(row["target"]), _say(row["fault"]), f"{row['value']:g}", _say(left), remove)


def _trade(row: Row) -> str:
    reference, buttons = row["reference"], ""
    if row["state"] == "waiting":
        buttons += _button("付款", "POST /control/pay", reference=reference)
    if row["state"] == "paid":
        left = yuan(fen(row["amount"]) - fen(row["refunded"]))
        buttons += _button(
            "退款", "POST /control/refund", reference=reference, ask="退款金额(元)", amount=left
        )
        buttons += _button(
            "撤销", "POST /control/reverse", reference=reference, sure="款项退回付款人, 不通知商户?"
        )
    if row["state"] not in ("waiting", "closed"):
        buttons += _button("重发通知", "POST /control/notify", reference=reference)
    return _cells(
        _say(reference), _provider(row), _say(str(row["subject"])[:40]),
        f"¥{row['amount']}", _say(row["refunded"]), _tag(row["state"]), _clock(row["created_at"]), buttons,
    )  # fmt: skip


def _provider(row: Row) -> str:
    name = str(row["provider"])
    return f'<span class="provider {_say(name)}">{_say(_PROVIDERS.get(name, name))}</span>'


def _refund(row: Row) -> str:
    buttons, number = "", row["refund_reference"]
    if row["state"] in ("processing", "abnormal"):
        buttons += _button(
            "使其成功", "POST /control/settle_refund", refund_reference=number, state="succeeded"
        )
        buttons += _button("使其失败", "POST /control/settle_refund", refund_reference=number, state="closed")
    return _cells(
        _say(row["reference"]), _provider(row), _say(number), f"¥{row['amount']}", _tag(row["state"]),
        _clock(row["at"]), buttons,
    )  # fmt: skip


def _notification(row: Row) -> str:
    attempts = _rows(row["attempts"])
    last = attempts[-1] if attempts else {"status": "", "answer": "", "duration_ms": "", "faults": []}
    hurt = last["faults"]
    names = " ".join(map(str, hurt)) if isinstance(hurt, list) else ""
    answer = (
        f"{_say(last['status'])} {_say(str(last['answer'])[:60])} <span class='tag warn'>{_say(names)}</span>"
    )
    return _cells(
        _say(row["reference"]), _say(row["kind"]), _tag(row["state"]), str(len(attempts)), answer,
        f"{_say(last['duration_ms'])} ms" if attempts else "", _say(row["url"]),
    )  # fmt: skip


def _parcel(row: Row) -> str:
    advance = _button("前进一步", "POST /control/parcel", number=row["number"], advance=True)
    done = row["steps_done"] == row["steps"]
    return _cells(
        _say(row["number"]), _say(row["com"]), f"{row['steps_done']} / {row['steps']}", _say(row["last"]),
        _clock(row["last_at"]), "" if done else advance,
    )  # fmt: skip


def _shipment(row: Row) -> str:
    return _cells(
        _say(row["number"]), _say(row["carrier"]), _say(row["tracking_number"]),
        _say(row["insured_value"] or "无"), _tag(row["state"]), _say(row["message"]),
    )  # fmt: skip


def _instruction(row: Row) -> str:
    return _cells(
        _say(row["id"]), _say(row["number"]), _say(row["warehouse"]), _say(row["form"]), _say(row["received"]),
        _say(row["reminders"]), _say(row["cancellations"]), _tag(row["state"]), _say(row["tracking_number"]),
        _say(row["message"]),
    )  # fmt: skip


def _hook(row: Row) -> str:
    state = "收到" if row["state"] == "taken" else _tag(row["state"])
    return _cells(
        _say(row["name"]), _say(row["kind"]), _say(row["number"]), _say(row["webhook_id"]), _say(row["copy"]),
        state, _clock(row["at"]),
    )  # fmt: skip
