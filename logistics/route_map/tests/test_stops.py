"""Cities in what couriers write, and the stops of a way."""

from __future__ import annotations

import pytest

from logistics.route_map.cities import find_city
from logistics.route_map.stops import MOST_STOPS, Way, stops_of


@pytest.mark.parametrize(
    ("location", "text", "city"),
    [
        ("深圳市", "", "深圳市"),
        ("广东,深圳市", "", "深圳市"),
        ("浙江省金华市义乌市", "", "金华市"),
        ("义乌集散中心", "", "义乌市"),
        ("吉林,长春市", "", "长春市"),
        ("吉林省吉林市", "", "吉林市"),
        ("海南,海口市", "", "海口市"),
        ("上海市南京西路", "", "上海市"),
        ("北京朝阳区", "", "北京市"),
        ("朝阳区酒仙桥网点", "", ""),
        ("杭州萧山转运中心", "", "杭州市"),
        ("新疆维吾尔自治区乌鲁木齐市", "", "乌鲁木齐市"),
        ("西双版纳", "", "西双版纳傣族自治州"),
        ("", "【武汉市】快件到达【长沙转运中心】", "武汉市"),
        ("华东分拨中心", "[江苏省苏州市昆山市]公司 已收件", "苏州市"),
        ("", "快件已发往北京", ""),
        ("", "快件离开【深圳转运中心】，发往【北京】", "深圳市"),
        ("", "", ""),
    ],
)
def test_city_of_an_event(location: str, text: str, city: str) -> None:
    found = find_city(location, text)
    assert (found.name if found else "") == city


def test_every_city_is_found_by_its_name() -> None:
    for name in ("拉萨市", "三沙市", "香港特别行政区", "延边朝鲜族自治州", "神农架林区", "石河子市"):
        found = find_city(name)
        assert found is not None
        assert (73 < found.longitude < 136, 15 < found.latitude < 54, found.name) == (True, True, name)


def names(way: Way) -> list[tuple[str, str]]:
    return [(stop.place.short, stop.state) for stop in stops_of(way)]


TRUNK = (("深圳市", ""), ("深圳转运中心", ""), ("", "【武汉市】到达"), ("北京市", ""))


def test_stops_in_the_order_of_the_events() -> None:
    way = Way(TRUNK[:3], destination="河北省廊坊市")
    assert names(way) == [("深圳", "done"), ("武汉", "now"), ("廊坊", "ahead")]


def test_arrived_parcel_has_nothing_ahead() -> None:
    way = Way(TRUNK, destination="河北省廊坊市", is_over=True)
    assert names(way) == [("深圳", "done"), ("武汉", "done"), ("北京", "done")]


def test_parcel_on_its_way_back() -> None:
    way = Way(TRUNK[:3], destination="北京市", goes_back=True)
    assert names(way) == [("深圳", "done"), ("武汉", "now"), ("深圳", "ahead")]


def test_origin_of_the_carrier_comes_first() -> None:
    way = Way(TRUNK[2:3], origin="广东,广州市", destination="武汉市")
    assert names(way) == [("广州", "done"), ("武汉", "now")]


def test_unknown_places_are_left_out() -> None:
    assert names(Way((("华东分拨中心", "已到达"),), destination="北京市")) == []


def test_long_way_keeps_its_start_and_its_newest_part() -> None:
    events = [(city, "") for city in ("深圳市", "长沙市", "武汉市", "郑州市") * 4]
    found = names(Way(events, destination="北京市"))
    assert len(found) == MOST_STOPS + 1
    assert (found[0][0], found[-2:]) == ("深圳", [("郑州", "now"), ("北京", "ahead")])
