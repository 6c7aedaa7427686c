"""The house as drawn: who may import whom, no imports in hiding, and every published event in the one table."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orders import changes
from orders.approvals import kinds
from ordersite.flow import FLOW

ROOT = Path(__file__).resolve().parents[2]
OURS = ("ordersite", "orders", "payments", "logistics", "sandbox")
BELOW_ORDERS = (
    "ordersite.lib",
    "ordersite.database",
    "ordersite.outside_accounts",
    "ordersite.queue",
    "ordersite.server",
)
# A room and what it may import of ours; the longest prefix of a module's name decides.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "ordersite.lib": ("ordersite.lib",),
    "ordersite.database": ("ordersite.lib", "ordersite.database"),
    "ordersite.outside_accounts": ("ordersite.lib", "ordersite.database", "ordersite.outside_accounts"),
    "ordersite.queue": ("ordersite.lib", "ordersite.database", "ordersite.queue"),
    "ordersite.server": ("ordersite.lib", "ordersite.server"),
    "orders": (*BELOW_ORDERS, "orders"),
    "payments": (*BELOW_ORDERS, "orders", "payments"),
    "payments.providers": ("ordersite.lib", "ordersite.outside_accounts.files", "payments.providers"),
    "logistics": (*BELOW_ORDERS, "orders", "logistics"),
    "logistics.carriers": ("ordersite.lib", "ordersite.outside_accounts.files", "logistics.carriers"),
    "ordersite": ("ordersite", "orders", "payments", "logistics"),
    "sandbox": ("sandbox",),
}


def modules() -> Iterator[tuple[str, Path]]:
    for top in OURS:
        for path in sorted((ROOT / top).rglob("*.py")):
            relative = path.relative_to(ROOT).with_suffix("")
            if not {"tests", "migrations"} & set(relative.parts):
                yield ".".join(relative.parts).removesuffix(".__init__"), path


MODULES = list(modules())


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def room_of(module: str) -> str:
    return max((room for room in MAY_IMPORT if within(module, room)), key=len)


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


@pytest.mark.parametrize(("module", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_arrows_point_down(module: str, path: Path) -> None:
    allowed = MAY_IMPORT[room_of(module)]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wrong = [
        f"{path.name}:{line} imports {name}"
        for name, line in imported(tree)
        if name.split(".")[0] in OURS and not any(within(name, room) for room in allowed)
    ]
    assert wrong == []


@pytest.mark.parametrize(("module", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_imports_stand_at_the_top(module: str, path: Path) -> None:
    if path.name == "apps.py":
        return  # models exist only once the apps are ready
    hidden = [
        node.lineno
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert hidden == []


def test_adapters_see_neither_models_nor_tasks_nor_settings() -> None:
    for module, path in MODULES:
        if not any(within(module, room) for room in ("payments.providers", "logistics.carriers")):
            continue
        names = {name for name, _ in imported(ast.parse(path.read_text(encoding="utf-8")))}
        assert not [n for n in names if n.startswith(("django.db", "django.conf", "celery"))], module


def test_no_file_is_named_after_a_layer() -> None:
    names = {path.stem for _, path in MODULES}
    assert not names & {"services", "utils", "helpers", "common"}


def published_names() -> set[str]:
    """Names given to `Event(...)` anywhere, as literals, those of the order's door and of the kinds of request."""
    names = {*changes.EVENTS.values(), *(kind.event for kind in kinds.registered() if kind.event)}
    for _module, path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0]
            if called == "Event" and isinstance(first, ast.Constant) and isinstance(first.value, str):
                names.add(first.value)
    return names


def test_every_published_event_is_in_the_flow() -> None:
    assert published_names() - set(FLOW) == set()


def test_every_event_of_the_flow_is_published_and_named_noun_past() -> None:
    assert set(FLOW) - published_names() == set()
    assert [name for name in FLOW if not re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", name)] == []


def test_handlers_have_keys_of_their_own() -> None:
    keys = [key for keyed in FLOW.values() for key in keyed]
    assert len(keys) == len(set(keys))
    assert all(callable(handler) for keyed in FLOW.values() for handler in keyed.values())


def test_states_are_written_through_doors_only() -> None:
    """`queryset.update(status=...)` goes past the protected field."""
    found = []
    for module, path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "update"
            ):
                found += [
                    f"{module}:{node.lineno}"
                    for k in node.keywords
                    if k.arg == "status" and not within(module, "sandbox")
                ]
    assert found == []
