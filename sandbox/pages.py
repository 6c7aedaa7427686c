"""Pages from templates in `html/`. Every value is escaped before it is put in."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template

from sandbox.formats import beijing, yuan
from sandbox.trading.trades import Trade

_FOLDER = Path(__file__).parent / "html"
_LABELS = {
    "alipay": ("支付宝收银台", "支付宝 · 沙箱"),
    "wechatpay": ("微信支付收银台", "微信支付 · 沙箱"),
    "unionpay": ("银联在线支付", "银联 · 沙箱"),
    "webhook": ("收银台", "Webhook 支付 · 沙箱"),
}


def render(name: str, **values: str) -> str:
    """Fill a template; the style sheet is put in as `$style`."""
    template = Template((_FOLDER / name).read_text(encoding="utf-8"))
    return template.substitute({key: escape(value) for key, value in values.items()}, style=_style())


def cashier_page(trade: Trade) -> str:
    """The page with the button 立即付款."""
    title, brand = _LABELS[trade.provider]
    back = trade.return_url if trade.return_url.startswith(("http://", "https://")) else "about:blank"
    return render(
        "cashier.html",
        title=title,
        brand=brand,
        provider=trade.provider,
        subject=trade.subject,
        reference=trade.reference,
        amount=yuan(trade.fen),
        expires=beijing(trade.expires_at),
        expires_ms=str(round(trade.expires_at * 1000)),
        pay_path=f"/{trade.provider}/cashier/{trade.token}/pay",
        back=back,
        no_back="" if trade.return_url else "hidden",
    )


def message_page(*, title: str, text: str, link: str = "") -> str:
    """A page with one message, and a link back where there is one."""
    usable = link if link.startswith(("http://", "https://")) else ""
    return render("message.html", title=title, text=text, link=usable, hidden="" if usable else "hidden")


def posting_page(url: str, fields: Mapping[str, str]) -> str:
    """A form that sends itself; with a button for browsers without scripts."""
    usable = url if url.startswith(("http://", "https://")) else "about:blank"
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in fields.items()
    )
    return render("posting.html", url=usable).replace("@fields@", hidden)


def _style() -> str:
    return (_FOLDER / "style.css").read_text(encoding="utf-8")
