"""The house as drawn: who may import whom, no imports in hiding, and every published event in the one table."""

from __future__ import annotations

import ast
import contextlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from orders import changes
from orders.approvals import kinds
from ordersite.automation.catalogue.triggers import EVENTS as RULE_EVENTS
from ordersite.flow import FLOW
from payments.providers.registry import PROVIDERS

ROOT = Path(__file__).resolve().parents[2]
OURS = ("ordersite", "orders", "payments", "logistics", "sandbox")
# The towers: a room may import itself and what stands on a floor below it, never its neighbours.
LOWEST = (
    ("ordersite.lib",),
    ("ordersite.database", "ordersite.health.models"),
    ("ordersite.health.alerts",),
    ("ordersite.outside_accounts", "ordersite.queue"),
    ("ordersite.server",),
    ("ordersite.bulk_jobs",),
)
ORDERS = (
    ("actions",),
    ("labels",),
    ("models",),
    ("machine", "errors", "clients"),
    ("database_triggers", "tokens"),
    ("history",),
    ("intake.drafts",),
    ("changes",),
    ("lifecycle",),
    ("risk",),
    ("approvals", "closing", "intake", "truth", "monitoring"),
    ("about", "serializers"),
    ("phone_search",),
    ("admin", "management", "tasks", "apps"),
)
PAYMENTS = (
    ("providers", "models", "references", "database_triggers"),
    ("accounts", "cases"),
    ("provider_calls",),
    ("lifecycle",),
    ("notifications", "polling", "refunds", "manual"),
    ("reconciliation", "attempts", "about"),
    ("admin", "management", "tasks", "urls", "apps"),
)
LOGISTICS = (
    ("carriers", "models", "errors", "database_triggers", "buyer_texts", "public_link"),
    ("labels", "cases", "route_map"),
    ("accounts", "carrier_calls", "stock", "warehouses"),
    ("dispatch",),
    ("tracking", "waybills"),
    ("pushes",),
    ("tracking_card", "serializers"),
    ("diagnosis",),
    ("about", "pages", "api", "erp_api", "bulk"),
    ("admin", "management", "tasks", "urls", "apps"),
)
Rows = dict[str, tuple[str, ...]]


def tower(floors: Sequence[Sequence[str]], *, ground: Sequence[str] = (), app: str = "") -> Rows:
    """A row for each room: itself and all that stands below it."""
    below, rows = tuple(ground), Rows()
    for floor in floors:
        names = [f"{app}.{room}" if app else room for room in floor]
        rows |= {name: (*below, name) for name in names}
        below = (*below, *names)
    return rows


BELOW_ORDERS = tuple(room for floor in LOWEST for room in floor)
# A room and what it may import of ours; the longest prefix of a module's name decides.
MAY_IMPORT: Rows = {
    **tower(LOWEST),
    **tower(ORDERS, ground=BELOW_ORDERS, app="orders"),
    **tower(PAYMENTS, ground=(*BELOW_ORDERS, "orders"), app="payments"),
    **tower(LOGISTICS, ground=(*BELOW_ORDERS, "orders"), app="logistics"),
    # Adapters see dataclasses only; a provider's folder sees what all providers share, and no other provider.
    "payments.providers": ("ordersite.lib", "ordersite.outside_accounts.files", "payments.providers"),
    "logistics.carriers": ("ordersite.lib", "ordersite.outside_accounts.files", "logistics.carriers"),
    "ordersite.messaging.senders": (
        "ordersite.lib",
        "ordersite.outside_accounts.files",
        "ordersite.messaging.senders",
    ),
    "ordersite": ("ordersite", "orders", "payments", "logistics"),
    "sandbox": ("sandbox",),
}
ADAPTERS = ("payments.providers", "logistics.carriers", "ordersite.messaging.senders")
APPS = ("orders", "payments", "logistics")
FOLDERS = (*APPS, "ordersite")
MOST_MODULES, MOST_IN_PAYMENTS_ROOT = 15, 8
# What the field calls otherwise: rate limit, lease, circuit breaker; update, decision; approval; queue.
FOREIGN_WORDS = frozenset(
    {"lane", "lanes", "finding", "findings", "ruling", "rulings", "deed", "deeds", "rails", "turn", "turns"}
) | {"verdict", "verdicts", "told", "came", "whoever"}


def modules() -> Iterator[tuple[str, Path]]:
    for top in OURS:
        for path in sorted((ROOT / top).rglob("*.py")):
            relative = path.relative_to(ROOT).with_suffix("")
            if not {"tests", "migrations", "conftest"} & set(relative.parts) and path.stat().st_size:
                yield ".".join(relative.parts).removesuffix(".__init__"), path


MODULES = list(modules())


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def room_of(module: str, rows: Rows = MAY_IMPORT) -> str:
    """The row that decides; KeyError for a module of an app that stands in no row."""
    rooms = [room for room in rows if within(module, room)]
    if not rooms:
        raise KeyError(f"{module} stands in no row of MAY_IMPORT")
    return max(rooms, key=len)


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


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_a_missing_row_is_noticed(room: str) -> None:
    rows = {name: allowed for name, allowed in MAY_IMPORT.items() if name != room}
    inside = [module for module, _path in MODULES if within(module, room)]
    assert inside, "a row for a room that is not there"
    for module in inside:
        if any(within(module, other) for other in rows if other.startswith(f"{room}.")):
            continue  # a room inside this one has its own row
        with contextlib.suppress(KeyError):
            assert rows[room_of(module, rows)] != MAY_IMPORT[room]


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_a_provider_imports_no_other(provider: str) -> None:
    others = [f"payments.providers.{name}" for name in PROVIDERS if name != provider]
    wrong = [
        f"{module}:{line} imports {name}"
        for module, path in MODULES
        if within(module, f"payments.providers.{provider}")
        for name, line in imported(ast.parse(path.read_text(encoding="utf-8")))
        if any(within(name, other) for other in others)
    ]
    assert wrong == []


def test_folders_stay_small() -> None:
    folders = Counter(path.parent for _module, path in MODULES if path.name != "__init__.py")
    big = {str(folder.relative_to(ROOT)): count for folder, count in folders.items() if count > MOST_MODULES}
    assert big == {}
    assert folders[ROOT / "payments"] <= MOST_IN_PAYMENTS_ROOT


def python_files() -> Iterator[Path]:
    """Ours, tests too; migrations keep the names of their day."""
    for top in (*OURS, "scripts", "benchmarks"):
        for path in sorted((ROOT / top).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


@pytest.mark.parametrize("app", FOLDERS)
def test_a_class_name_stands_once(app: str) -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in python_files():
        if path.relative_to(ROOT).parts[0] != app:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            # Django finds these two by their names.
            if isinstance(node, ast.ClassDef) and node.name not in {"Meta", "Command"}:
                places[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def names_given(tree: ast.AST) -> Iterator[str]:
    """Names of classes, functions, parameters, variables and attributes that a module makes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.rpartition(".")[2]


def test_names_speak_the_fields_language() -> None:
    found = []
    for path in python_files():
        names = {*names_given(ast.parse(path.read_text(encoding="utf-8"))), path.stem, path.parent.name}
        for name in names:
            parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_")
            if FOREIGN_WORDS & set(parts):
                found.append(f"{path.relative_to(ROOT)}: {name}")
    assert sorted(found) == []


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


def test_adapters_import_no_models_or_settings() -> None:
    for module, path in MODULES:
        if not any(within(module, room) for room in ADAPTERS):
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


def test_flow_events_are_published_and_named() -> None:
    assert set(FLOW) - published_names() == set()
    assert [name for name in FLOW if not re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", name)] == []


def test_a_key_names_one_handler() -> None:
    handlers = defaultdict(set)
    for keyed in FLOW.values():
        for key, handler in keyed.items():
            handlers[key].add(handler)
    assert {key: found for key, found in handlers.items() if len(found) > 1} == {}
    assert all(callable(handler) for found in handlers.values() for handler in found)


def test_rules_hear_every_event_that_they_name() -> None:
    assert {name for name, keyed in FLOW.items() if "automation.run" in keyed} == set(RULE_EVENTS)


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
