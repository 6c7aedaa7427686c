"""The form of YTO's pushes: one event as XML in a form.

The digest is base64 of the raw MD5 of XML + secret, the rule of YTO's older platform; that of the new one is not public.
"""

from urllib.parse import urlencode
from xml.sax.saxutils import escape

from sandbox.carrier.parcels import Event, Parcel
from sandbox.carrier.yto import CARRIER, COURIER, CUSTOMER, SECRET, content_of, digest, text_of
from sandbox.formats import beijing
from sandbox.outgoing import Call, CallReply


class YtoPushForm:
    """One event of an order's parcel as YTO pushes it."""

    carrier, target = CARRIER, "yto.push"

    def call(self, url: str, reference: str, parcel: Parcel, event: Event, *, is_forged: bool) -> Call:
        """The call of one event; a forged one is signed without the secret."""
        xml = _xml(parcel, reference, event)
        signed = digest(f"{xml}{'' if is_forged else SECRET}")
        form = urlencode({"logistics_interface": xml, "data_digest": signed}).encode()
        return Call("POST", url, form, {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"})

    def is_taken(self, answer: CallReply) -> bool:
        """Whether the answer's XML says success."""
        return answer.status == 200 and b"<success>true</success>" in answer.body


def _xml(parcel: Parcel, reference: str, event: Event) -> str:
    fields = {
        "logisticProviderID": "YTO", "clientID": CUSTOMER, "txLogisticID": reference, "mailNo": parcel.number,
        "weight": "0.68", "infoType": "STATUS", "infoContent": content_of(event), "city": event.step.city.short,
        "district": "", "acceptTime": beijing(event.at), "orgName": f"{event.step.city.short}网点",
        "orgCode": "210045", "orgPhone": "021-69777888", "empName": "王师傅", "empCode": "0001",
        "empPhone": COURIER, "remark": text_of(event),
    }  # fmt: skip
    inside = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    return f"<UpdateInfo>{inside}</UpdateInfo>"
