"""The table of attacks names tests that exist; and what no other test holds of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "attacks.md"
OURS = ("logistics", "orders", "ordersite", "payments")
ODD_QUERIES = (
    "?status__in=%27%20OR%201=1--&password__startswith=x",
    "?o=99.-1.x&p=99999999",
    "?q=%27%3B%20DROP%20TABLE%20orders_order%3B--%00",
    "?id__exact=9999999999999999999999&e=1",
)
_SECRET = re.compile(r"signature|secret|token|hmac|mac$", re.IGNORECASE)


def rows() -> dict[int, list[str]]:
    found = re.findall(r"^\| (\d+) \|[^|]*\|([^|]*)\|$", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    return {int(number): re.findall(r"`([\w/]+\.py::\w+)`", tests) for number, tests in found}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for folder in OURS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "tests" not in path.parts and "migrations" not in path.parts:
                yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def name_of(node: ast.expr) -> str:
    return getattr(node, "attr", "") or getattr(node, "id", "")


def test_every_row_names_tests_that_exist() -> None:
    named = rows()
    assert sorted(named) == list(range(1, 26))
    gone = []
    for test in sorted({test for tests in named.values() for test in tests}):
        path, name = test.split("::")
        functions = ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        if name not in {node.name for node in functions if isinstance(node, ast.FunctionDef)}:
            gone.append(test)
    assert gone == []
    assert [number for number, tests in named.items() if not tests] == []


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_library_is_pinned(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", "-"))]
    assert len(lines) > 20
    assert [line for line in lines if not re.match(r"[\w.-]+(\[[\w,-]+\])?==\d", line)] == []


def test_no_serializer_takes_all_fields() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, tree in sources()
        for node in ast.walk(tree)
        if "/admin/" not in path  # a form there takes the fields that its page names
        and isinstance(node, ast.Assign)
        and {name_of(target) for target in node.targets} & {"fields", "exclude"}
        and isinstance(node.value, ast.Constant)
        and node.value.value == "__all__"
    ]
    assert found == []


def test_secrets_are_compared_in_constant_time() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and isinstance(node.ops[0], ast.Eq | ast.NotEq)
        and not any(isinstance(side, ast.Constant) for side in node.comparators)
        and any(
            _SECRET.search(name_of(side)) and not name_of(side).isupper()
            for side in (node.left, *node.comparators)
        )
    ]
    assert found == []


@pytest.mark.django_db
def test_odd_queries_never_fail_a_list(admin_client: Client) -> None:
    for model in admin.site._registry:
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        statuses = [admin_client.get(address + query).status_code for query in ODD_QUERIES]
        assert set(statuses) <= {200, 302, 400, 403, 404}, (address, statuses)
