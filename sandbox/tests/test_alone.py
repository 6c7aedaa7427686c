import ast
from pathlib import Path

import pytest

from sandbox import config

FOLDER = Path(config.__file__).parent
APPLICATION = {"ordersite", "orders", "payments", "logistics", "django", "rest_framework", "celery"}


def imported_packages(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            names.add((node.module or "").partition(".")[0])
    return names


def test_nothing_of_the_application_is_imported() -> None:
    sources = list(FOLDER.rglob("*.py"))
    assert len(sources) > 20
    assert {path: imported_packages(path) & APPLICATION for path in sources} == {
        path: set() for path in sources
    }


def test_only_cryptography_is_needed_to_run() -> None:
    allowed = {"sandbox", "cryptography"}
    foreign = {
        name
        for path in FOLDER.rglob("*.py")
        if "tests" not in path.parts
        for name in imported_packages(path)
        if name not in allowed and name not in __import__("sys").stdlib_module_names
    }
    assert foreign == set()


def test_settings_refuse_a_number_that_is_none() -> None:
    with pytest.raises(config.BadSetting, match="SANDBOX_PORT is not a number: 'eight'"):
        config.read_settings({"SANDBOX_PORT": "eight"})


def test_settings_refuse_a_speed_of_zero() -> None:
    with pytest.raises(config.BadSetting, match="SANDBOX_PARCEL_SECONDS must be greater than zero"):
        config.read_settings({"SANDBOX_PARCEL_SECONDS": "0"})


def test_application_is_found_by_its_port() -> None:
    assert config.read_settings({"PORT": "8123"}).ordersite_url == "http://127.0.0.1:8123"


def test_folder_is_the_one_the_application_reads() -> None:
    assert config.read_settings({}).folder == Path("var/sandbox")
    assert config.read_settings({"VAR_DIR": "/srv/v"}).folder == Path("/srv/v/sandbox")
    assert config.read_settings({"VAR_DIR": "/srv/v", "SANDBOX_DIR": "/srv/s"}).folder == Path("/srv/s")
