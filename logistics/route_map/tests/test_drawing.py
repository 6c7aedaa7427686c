"""The drawing of a way: everything on the paper, no name over another."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.route_map.cities import find_city
from logistics.route_map.drawing import LETTER, LINE, WIDTH, Box, Dot, Drawing, draw
from logistics.route_map.stops import Way, stops_of

CITIES = (
    "深圳市",
    "杭州市",
    "上海市",
    "武汉市",
    "成都市",
    "北京市",
    "乌鲁木齐市",
    "拉萨市",
    "哈尔滨市",
    "三亚市",
    "苏州市",
)


def drawn(*cities: str, destination: str = "") -> Drawing | None:
    return draw(stops_of(Way([(city, "") for city in cities], destination=destination)))


def box_of(dot: Dot) -> Box:
    width = LETTER * len(dot.name)
    left = dot.name_x - {"middle": width / 2, "start": 0, "end": width}[dot.anchor]
    return Box(left, dot.name_y - LETTER, left + width, dot.name_y - LETTER + LINE)


def test_travelled_legs_are_solid_and_the_leg_ahead_is_not() -> None:
    drawing = drawn("深圳市", "武汉市", destination="北京市")
    assert drawing is not None
    assert [leg.state for leg in drawing.legs] == ["done", "ahead"]
    assert [(dot.name, dot.state) for dot in drawing.dots] == [
        ("深圳", "done"), ("武汉", "now"), ("北京", "ahead"),
    ]  # fmt: skip


def test_north_is_up_and_east_is_right() -> None:
    drawing = drawn("成都市", "北京市", "上海市")
    assert drawing is not None
    chengdu, beijing, shanghai = drawing.dots
    assert chengdu.x < beijing.x < shanghai.x
    assert beijing.y < min(chengdu.y, shanghai.y)


@pytest.mark.parametrize("cities", [(), ("深圳市",), ("深圳市", "深圳市")])
def test_one_city_is_no_way(cities: tuple[str, ...]) -> None:
    assert drawn(*cities) is None


def test_a_city_passed_twice_has_one_dot() -> None:
    drawing = drawn("深圳市", "武汉市", "深圳市", destination="武汉市")
    assert drawing is not None
    assert (len(drawing.legs), [dot.name for dot in drawing.dots]) == (3, ["武汉", "深圳"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(CITIES), min_size=2, max_size=9), st.sampled_from(("", *CITIES)))
def test_names_stand_on_the_paper_and_beside_each_other(cities: list[str], destination: str) -> None:
    drawing = drawn(*cities, destination=destination)
    if drawing is None:
        return
    named = [dot for dot in drawing.dots if dot.name]
    boxes = [box_of(dot) for dot in named]
    for box in boxes:
        assert (box.left >= -0.1, box.right <= WIDTH + 0.1) == (True, True)
        assert (box.top >= -0.1, box.bottom <= drawing.height + 0.1) == (True, True)
    assert not [1 for n, one in enumerate(boxes) for other in boxes[:n] if shrunk(one).meets(shrunk(other))]
    assert any(dot.name for dot in drawing.dots if dot.state == "now")
    for dot in drawing.dots:
        assert (10 <= dot.x <= WIDTH - 10, 10 <= dot.y <= drawing.height - 10) == (True, True)


def shrunk(box: Box) -> Box:
    """Without what rounding adds."""
    return Box(box.left + 0.1, box.top + 0.1, box.right - 0.1, box.bottom - 0.1)


def test_cities_of_one_region_fit_too() -> None:
    assert find_city("昆山市") is not None
    drawing = drawn("上海市", "苏州市", "昆山市")
    assert drawing is not None
    assert [dot.name for dot in drawing.dots if dot.state == "now"] == ["昆山"]
