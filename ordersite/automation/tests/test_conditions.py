"""Every operator of every kind of value, groups, and what is no condition."""

from __future__ import annotations

from typing import Any

import pytest

from ordersite.automation import conditions
from ordersite.automation.catalogue.fields import FIELDS
from ordersite.automation.catalogue.kinds import OPERATORS, ValueKind
from ordersite.lib.errors import DomainError

FIELD = {
    ValueKind.MONEY: "total_amount", ValueKind.NUMBER: "quantity", ValueKind.TEXT: "city",
    ValueKind.CHOICE: "province", ValueKind.LIST: "product_ids", ValueKind.FLAG: "is_held",
}  # fmt: skip
# kind, operator, operand → values that meet it, values that do not
TABLE: list[tuple[ValueKind, str, Any, list[Any], list[Any]]] = [
    (ValueKind.MONEY, "equals", 50000, [50000], [49999, 50001, None]),
    (ValueKind.MONEY, "greater", 50000, [50001], [50000, None]),
    (ValueKind.MONEY, "at_least", 50000, [50000], [49999, None]),
    (ValueKind.MONEY, "less", 50000, [49999, 0], [50000, None]),
    (ValueKind.MONEY, "at_most", 50000, [50000], [50001, None]),
    (ValueKind.MONEY, "between", [100, 200], [100, 150, 200], [99, 201, None]),
    (ValueKind.MONEY, "is_empty", None, [None], [0, 1]),
    (ValueKind.MONEY, "is_filled", None, [0, 1], [None]),
    (ValueKind.NUMBER, "equals", 3, [3], [2, None]),
    (ValueKind.NUMBER, "greater", 3, [4], [3, None]),
    (ValueKind.NUMBER, "at_least", 3, [3], [2, None]),
    (ValueKind.NUMBER, "less", 3, [2], [3, None]),
    (ValueKind.NUMBER, "at_most", 3, [3], [4, None]),
    (ValueKind.NUMBER, "between", [3, 3], [3], [2, 4, None]),
    (ValueKind.NUMBER, "is_empty", None, [None], [0]),
    (ValueKind.NUMBER, "is_filled", None, [0], [None]),
    (ValueKind.TEXT, "equals", "深圳市", ["深圳市"], ["深圳", "", None]),
    (ValueKind.TEXT, "differs", "深圳市", ["深圳", "", None], ["深圳市"]),
    (ValueKind.TEXT, "one_of", ["a", "b"], ["a", "b"], ["ab", "", None]),
    (ValueKind.TEXT, "none_of", ["a", "b"], ["ab", "", None], ["a"]),
    (ValueKind.TEXT, "contains", "圳", ["深圳市"], ["广州市", "", None]),
    (ValueKind.TEXT, "lacks", "圳", ["广州市", "", None], ["深圳市"]),
    (ValueKind.TEXT, "is_empty", None, ["", None], ["x"]),
    (ValueKind.TEXT, "is_filled", None, ["x"], ["", None]),
    (ValueKind.CHOICE, "one_of", ["广东", "广西"], ["广东"], ["浙江", None]),
    (ValueKind.CHOICE, "none_of", ["广东"], ["浙江", None], ["广东"]),
    (ValueKind.CHOICE, "is_empty", None, ["", None], ["广东"]),
    (ValueKind.CHOICE, "is_filled", None, ["广东"], ["", None]),
    (ValueKind.LIST, "has_any", ["a", "b"], [["a"], ["b", "c"]], [["c"], [], None]),
    (ValueKind.LIST, "has_all", ["a", "b"], [["a", "b", "c"]], [["a"], [], None]),
    (ValueKind.LIST, "has_none", ["a", "b"], [["c"], [], None], [["a", "c"]]),
    (ValueKind.LIST, "is_empty", None, [[], None], [["a"]]),
    (ValueKind.LIST, "is_filled", None, [["a"]], [[], None]),
    (ValueKind.FLAG, "is_true", None, [True], [False, None]),
    (ValueKind.FLAG, "is_false", None, [False], [True, None]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "operator", "operand", "met", "missed"), TABLE)
def test_operator(kind: ValueKind, operator: str, operand: Any, met: list[Any], missed: list[Any]) -> None:
    condition = conditions.condition_of(FIELD[kind], operator, operand)

    assert [condition.holds({FIELD[kind]: value}) for value in met] == [True] * len(met)
    assert [condition.holds({FIELD[kind]: value}) for value in missed] == [False] * len(missed)


def test_the_table_names_every_operator() -> None:
    named = {(kind, operator) for kind, operator, *_rest in TABLE}

    assert named == {(kind, str(operator)) for kind, own in OPERATORS.items() for operator in own}


def test_every_kind_of_value_has_a_field() -> None:
    assert {field.kind for field in FIELDS.values()} == set(ValueKind)


def test_a_group_of_any_inside_all() -> None:
    rich = {"field": "total_amount", "operator": "greater", "value": 50000}
    near = {"field": "province", "operator": "one_of", "value": ["广东"]}
    big = {"field": "quantity", "operator": "at_least", "value": 10}
    group = conditions.parse({"match": "all", "items": [rich, {"match": "any", "items": [near, big]}]})

    assert group.failed({"total_amount": 50001, "province": "浙江", "quantity": 10}) == ""
    assert group.failed({"total_amount": 50000, "province": "广东", "quantity": 1}) == "1"
    assert group.failed({"total_amount": 50001, "province": "浙江", "quantity": 9}) == "2.1"


def test_no_conditions_always_hold() -> None:
    for match in ("all", "any"):
        assert conditions.parse({"match": match, "items": []}).holds({})


_TOTAL = {"field": "total_amount", "operator": "greater"}


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"match": "most", "items": []},
        {"match": "all", "items": {}},
        {"match": "all", "items": [{"match": "any", "items": []}]},
        {"match": "all", "items": [{"match": "any", "items": [{"match": "any", "items": [_TOTAL]}]}]},
        {"match": "all", "items": [{**_TOTAL, "value": "500"}]},
        {"match": "all", "items": [{**_TOTAL, "value": 500.5}]},
        {"match": "all", "items": [{**_TOTAL, "value": True}]},
        {"match": "all", "items": [{**_TOTAL, "value": -1}]},
        {"match": "all", "items": [{**_TOTAL, "value": 1, "more": 1}]},
        {"match": "all", "items": [{"field": "__class__", "operator": "equals", "value": "x"}]},
        {"match": "all", "items": [{"field": ["total_amount"], "operator": "equals", "value": 1}]},
        {"match": "all", "items": [{"field": "total_amount", "operator": "contains", "value": 1}]},
        {"match": "all", "items": [{"field": "total_amount", "operator": "between", "value": [2, 1]}]},
        {"match": "all", "items": [{"field": "city", "operator": "equals", "value": ""}]},
        {"match": "all", "items": [{"field": "city", "operator": "one_of", "value": []}]},
        {"match": "all", "items": [{"field": "city", "operator": "equals", "value": "x" * 101}]},
        {"match": "all", "items": [{**_TOTAL, "value": 1}] * 21},
    ],
)
def test_what_is_no_condition_is_refused(data: Any) -> None:
    with pytest.raises(DomainError) as refused:
        conditions.parse(data)

    assert refused.value.code == "bad_rule"


def test_conditions_survive_their_json() -> None:
    data = {
        "match": "any",
        "items": [
            {"field": "total_amount", "operator": "between", "value": [1, 2]},
            {"match": "all", "items": [{"field": "is_held", "operator": "is_true", "value": None}]},
        ],
    }

    assert conditions.parse(data).as_json() == data
