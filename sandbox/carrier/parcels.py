"""Moves parcels as time passes. The route follows from the number, the times from the time of shipping.

A journey consists of steps. The time of a step is stored when the parcel reaches it, so that a changed speed never
changes events that were already returned.
"""

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.formats import now
from sandbox.store import Store


@dataclass(frozen=True, slots=True)
class City:
    """An area as Kuaidi100 names it; `center` is "lng,lat"."""

    code: str
    name: str
    center: str
    pinyin: str

    @property
    def short(self) -> str:
        return self.name.rpartition(",")[2]


CITIES = (
    City("CN440300000000", "广东,深圳市", "114.057868,22.543099", "shen zhen shi"),
    City("CN330100000000", "浙江,杭州市", "120.15507,30.274084", "hang zhou shi"),
    City("CN310100000000", "上海,上海市", "121.473701,31.230416", "shang hai shi"),
    City("CN420100000000", "湖北,武汉市", "114.305392,30.593098", "wu han shi"),
    City("CN510100000000", "四川,成都市", "104.066541,30.572269", "cheng du shi"),
    City("CN110100000000", "北京,北京市", "116.407526,39.90403", "bei jing shi"),
    City("CN610100000000", "陕西,西安市", "108.940174,34.341568", "xi an shi"),
    City("CN430100000000", "湖南,长沙市", "112.938814,28.228209", "chang sha shi"),
)


def city_called(place: str) -> City | None:
    """The area for `广东,深圳市`; one that is not in the table has a name only. None when the text is empty."""
    known = next((city for city in CITIES if city.short == place.rpartition(",")[2]), None)
    return known or (City("", place, "", "") if place else None)


@dataclass(frozen=True, slots=True)
class NewParcel:
    """A parcel to register. `phone` and `place` are the receiver's, empty where the sender did not give them."""

    number: str
    com: str
    source: str
    phone: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a journey; `after` is its share of the whole duration since the step before."""

    after: float
    state: str
    sub_state: str
    name: str
    text: str
    city: City


@dataclass(frozen=True, slots=True)
class Event:
    """A step that has happened, at Unix seconds."""

    at: float
    step: Step


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel's state; `times` are those of the steps done, `phone` and `place` are the receiver's."""

    number: str
    com: str
    phone: str
    place: str
    source: str
    times: Sequence[float]
    locked_until: float
    locked_steps: int

    @property
    def route(self) -> tuple[Step, ...]:
        return route_of(self.number, self.place)

    @property
    def events(self) -> list[Event]:
        """Oldest first."""
        return [Event(at, step) for at, step in zip(self.times, self.route, strict=False)]


def route_of(number: str, place: str = "") -> tuple[Step, ...]:
    """Return the steps of a number, always the same: pick-up, trunk, arrival, delivery, for some a locker, signed."""
    seed = int.from_bytes(hashlib.sha256(number.encode()).digest()[:8])
    end = city_called(place) or CITIES[seed % 8]
    start = next(city for city in CITIES[seed // 8 % 7 :] if city != end)
    via = next(city for city in CITIES[seed // 56 % 6 :] if city not in (start, end))
    steps = [
        Step(0.0, "1", "103", "揽收", f"【{start.short}】快件已被揽收, 揽件人: 李师傅", start),
        Step(
            0.15,
            "0",
            "1002",
            "干线",
            f"【{start.short}】快件离开【{start.short}转运中心】, 发往【{via.short}】",
            start,
        ),
        Step(0.2, "0", "1002", "干线", f"【{via.short}】快件到达【{via.short}转运中心】", via),
        Step(0.25, "0", "1001", "到达派件城市", f"【{end.short}】快件到达【{end.short}转运中心】", end),
        Step(0.2, "5", "5", "派件", f"【{end.short}】快件正在派送, 派件员: 王师傅, 请保持电话畅通", end),
    ]
    if seed // 96 % 3 == 0:
        steps.append(
            Step(0.1, "5", "501", "投柜或驿站", f"【{end.short}】快件已存放至小区丰巢柜, 请凭取件码取件", end)
        )
        steps.append(Step(0.1, "3", "304", "投柜或站签收", f"【{end.short}】快件已从柜机取出, 感谢使用", end))
    else:
        steps.append(
            Step(0.2, "3", "301", "本人签收", f"【{end.short}】快件已签收, 签收人: 本人, 感谢使用", end)
        )
    return tuple(steps)


def take_parcel(store: Store, new: NewParcel) -> Parcel:
    """Register a parcel as picked up now; returns a known one unchanged."""
    store.rows(
        "INSERT INTO parcels (number, com, phone, place, source, created_at, times) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        new.number, new.com, new.phone, new.place, new.source, now(), json.dumps([now()]),
    )  # fmt: skip
    parcel = find_parcel(store, new.number)
    assert parcel is not None
    return parcel


def find_parcel(store: Store, number: str) -> Parcel | None:
    """Return the stored parcel, without moving it."""
    row = store.row("SELECT * FROM parcels WHERE number = ?", number)
    return None if row is None else _from_row(row)


def move(store: Store, number: str, *, journey_seconds: float) -> Parcel | None:
    """Move the parcel through all steps that are due by now."""
    with store.transaction():
        parcel = find_parcel(store, number)
        if parcel is None:
            return None
        times, moment = list(parcel.times), now()
        for step in parcel.route[len(times) :]:
            due = times[-1] + step.after * journey_seconds
            if due > moment:
                break
            times.append(due)
        return _keep_times(store, number, times)


def advance(store: Store, number: str) -> Parcel | None:
    """Move the parcel to its next step now."""
    with store.transaction():
        parcel = find_parcel(store, number)
        if parcel is None or len(parcel.times) == len(parcel.route):
            return parcel
        return _keep_times(store, number, [*parcel.times, now()])


def lock(store: Store, parcel: Parcel, *, until: float) -> None:
    """Freeze the events that queries return for this parcel; the parcel itself moves on."""
    store.rows(
        "UPDATE parcels SET locked_until = ?, locked_steps = ? WHERE number = ?",
        until, len(parcel.times), parcel.number,
    )  # fmt: skip


def _keep_times(store: Store, number: str, times: list[float]) -> Parcel:
    row = store.row("UPDATE parcels SET times = ? WHERE number = ? RETURNING *", json.dumps(times), number)
    assert row is not None
    return _from_row(row)


def _from_row(row: sqlite3.Row) -> Parcel:
    return Parcel(
        number=row["number"],
        com=row["com"],
        phone=row["phone"],
        place=row["place"],
        source=row["source"],
        times=json.loads(row["times"]),
        locked_until=row["locked_until"],
        locked_steps=row["locked_steps"],
    )
