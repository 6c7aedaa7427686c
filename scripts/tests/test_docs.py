"""The documentation: the site builds without a warning, both languages say the same, what it names is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import env_file
from scripts.env_file import ROOT
from scripts.tests.doc_commands import DOCS, LANGUAGES, PAGES, blocks, page, variables

# Pages about what is done in the back office.
PROSE = {"automation", "messages"}


def built(folder: Path, source: Path = DOCS) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    return subprocess.run(
        [*command, "-d", str(folder / "kept"), str(source), str(folder / "site")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.kill  # seconds of one core: once is enough
def test_site_has_no_broken_link(tmp_path: Path) -> None:
    """A link to a page, a heading, a picture or a file of the repository that is not there is a warning."""
    done = built(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for language in LANGUAGES:
        assert {path.stem for path in (tmp_path / "site" / language).glob("*.html")} == {"index", *PAGES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_language_has_all_pages(language: str) -> None:
    assert {path.stem for path in (DOCS / language).iterdir()} == {"index", *PAGES}


@pytest.mark.parametrize("name", PAGES)
def test_languages_show_the_same_commands(name: str) -> None:
    english, chinese = (blocks(language, name) for language in LANGUAGES)
    assert english == chinese
    assert english or name in PROSE


@pytest.mark.parametrize("name", PAGES)
def test_languages_have_the_same_parts(name: str) -> None:
    """Headings, lists and tables: a part that was added to one of them is missing in the other."""
    shapes = [
        re.findall(r"^(#+ |- |\|)", re.sub(r"(?s)^```.*?^```$", "", text, flags=re.MULTILINE), re.MULTILINE)
        for text in (page(language, name).read_text(encoding="utf-8") for language in LANGUAGES)
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", PAGES)
def test_variables_are_explained(name: str) -> None:
    """Two passwords stand in `.env` for compose alone, which hands them to its servers."""
    for_compose = {"SERVERS_PASSWORD", "DATABASE_OWNER_PASSWORD"}
    assert set(variables(name)) - for_compose - set(env_file.names()) == set()
