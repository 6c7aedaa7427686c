"""The form of STO's pushes: one event as JSON in a form that is signed like a call to the gateway."""

import json
from urllib.parse import urlencode

from sandbox.carrier.parcels import Event, Parcel
from sandbox.carrier.sto import APP_KEY, CARRIER, SECRET_KEY, digest, row_of
from sandbox.outgoing import Call, CallReply


class StoPushForm:
    """One event of an order's parcel as STO pushes it."""

    carrier, target = CARRIER, "sto.push"

    def call(self, url: str, reference: str, parcel: Parcel, event: Event, *, is_forged: bool) -> Call:
        """The call of one event; a forged one is signed without the secret key."""
        trace = {**row_of(parcel, event), "outBizCode": f"{parcel.number}{event.at:.0f}", "tz": "+8"}
        content = json.dumps(
            {"waybillNo": parcel.number, "linkCode": reference, "trace": trace}, ensure_ascii=False
        )
        form = {
            "api_name": "STO_TRACE_PLATFORM_PUSH", "content": content, "from_appkey": "sto_trace_platform",
            "from_code": "sto_trace_platform", "to_appkey": APP_KEY, "to_code": APP_KEY,
            "data_digest": digest(f"{content}{'' if is_forged else SECRET_KEY}"),
        }  # fmt: skip
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
        return Call("POST", url, urlencode(form).encode(), headers)

    def is_taken(self, answer: CallReply) -> bool:
        """Whether the answer's JSON says success."""
        try:
            words = json.loads(answer.body)
        except ValueError:
            return False
        return answer.status == 200 and isinstance(words, dict) and words.get("success") in (True, "true")
