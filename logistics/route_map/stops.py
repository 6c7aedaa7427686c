"""The cities of a parcel's way in the order of its events, and the one that it goes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from logistics.route_map.cities import Place, find_city

# The first city and the newest others: more cannot be read on a phone.
MOST_STOPS = 8


@dataclass(frozen=True, slots=True)
class Stop:
    """A city of the way; `state` is done, now or ahead."""

    place: Place
    state: str


@dataclass(frozen=True, slots=True)
class Way:
    """What is known of a way. `events` are (location, text) pairs, oldest first; places are free text.

    `is_over`: the parcel has arrived, here or back at the sender's. `goes_back`: it is on its way back.
    """

    events: Iterable[tuple[str, str]]
    origin: str = ""
    destination: str = ""
    is_over: bool = False
    goes_back: bool = False


def stops_of(way: Way) -> list[Stop]:
    """The stops of a way: each city once while the parcel stays there, none where no event names one."""
    cities = _cities(way)
    if not cities:
        return []
    if len(cities) > MOST_STOPS:
        cities = [cities[0], *cities[1 - MOST_STOPS :]]
    stops = [Stop(place, "done") for place in cities]
    if not way.is_over:
        stops[-1] = Stop(cities[-1], "now")
        end = cities[0] if way.goes_back else find_city(way.destination)
        if end is not None and end != cities[-1]:
            stops.append(Stop(end, "ahead"))
    return stops


def _cities(way: Way) -> list[Place]:
    cities: list[Place] = []
    origin = find_city(way.origin)
    found = (find_city(location, text) for location, text in way.events)
    for place in [origin, *found]:
        if place is not None and (not cities or cities[-1] != place):
            cities.append(place)
    return cities
