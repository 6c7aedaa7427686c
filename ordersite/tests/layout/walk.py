"""One walk through the pages of the product in Chromium: every page is measured in four combinations."""

from __future__ import annotations

import asyncio
import os
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from playwright.async_api import BrowserContext, Page, Route, ViewportSize, async_playwright

from ordersite.tests.chromium import launch_options

CHECKER = Path(__file__).with_name("checker.js").read_text(encoding="utf-8")
# What is meant to be so; everything else that looks like it is reported.
DECLARED: Mapping[str, str] = {
    "rows": ".steps, .strip, .os-steps, .flex",
    "scrollers": ".os-raw, .os-scroll, .scroll, textarea",
    "columns": ".simplebar-content-wrapper",
    "ellipses": ".truncate, .line-clamp-1",
    "unmeasured": ".material-symbols-outlined",
}
# Colours and places are measured at rest, and no form leaves for a cashier by itself.
CALM = """
HTMLFormElement.prototype.submit = () => {};
addEventListener("DOMContentLoaded", () => {
  const still = new CSSStyleSheet();
  still.replaceSync("*, *::before, *::after { transition: none !important; animation: none !important }");
  document.adoptedStyleSheets = [still];
});
"""
# The theme reads the scheme once, when the page is loaded.
WEAR = """dark => {
  if (document.documentElement.hasAttribute("x-data")) { document.documentElement.classList.toggle("dark", dark); }
}"""
# Shows the next page of the back office in the frame of the last one, as htmx would: loading the theme's scripts and
# styles anew takes longer than all else. Answers the status; 0 where the page brings styles or scripts of its own.
SWAP = """async path => {
  const parts = page => [...page.querySelectorAll("link[rel=stylesheet], style, script")]
    .map(one => one.src || one.href || one.textContent.trim());
  const answer = await fetch(path, { redirect: "manual" });
  const type = answer.headers.get("content-type") || "";
  if (answer.status !== 200 || !type.startsWith("text/html")) { return answer.status || 302; }
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  const known = new Set(parts(document));
  if (!parts(next).every(one => known.has(one))) { return 0; }
  document.documentElement.lang = next.documentElement.lang;
  document.body.replaceWith(document.adoptNode(next.body));
  return 200;
}"""
# A style of a test's own. The page's content policy forbids style elements, and not what scripts of the browser's make.
ADD_STYLE = """css => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}"""
# What Chromium writes to its console when a page does what its content policy forbids.
FORBIDDEN = "Content Security Policy"
TABS = 2
# Where a person can look at the pages afterwards.
SHOTS = os.environ.get("TEST_SCREENSHOTS", "")


@dataclass(frozen=True, slots=True)
class Combination:
    """A language, a width in pixels and a colour scheme."""

    language: str
    width: int
    scheme: str

    @property
    def name(self) -> str:
        return f"{self.language[:2]} {self.width} {self.scheme}"


COMBINATIONS = (
    Combination("zh-hans", 390, "dark"),
    Combination("zh-hans", 1440, "light"),
    Combination("en", 390, "light"),
    Combination("en", 1440, "dark"),
)


@dataclass(frozen=True, slots=True)
class Visit:
    """A page as a visitor sees it.

    `html` is shown at `path` under the content policy `policy` in place of what the server answers there, `style` is
    added to the page. `status` is what it has to answer.
    """

    visitor: str
    path: str
    combinations: tuple[Combination, ...]
    html: str = ""
    policy: str = ""
    style: str = ""
    status: int = 200

    @property
    def language(self) -> str:
        return self.combinations[0].language


def in_each_language(
    visitor: str, path: str, combinations: Sequence[Combination] = COMBINATIONS, *, status: int = 200
) -> list[Visit]:
    """A page is loaded once for a language and then worn in the combinations of that language."""
    grouped = groupby(combinations, key=lambda one: one.language)
    return [Visit(visitor, path, tuple(group), status=status) for _language, group in grouped]


@dataclass(frozen=True, slots=True)
class Walk:
    """Chromium at the site's `origin`. `sessions` holds each visitor's session."""

    origin: str
    sessions: Mapping[str, SessionBase | None]

    def faults(self, visits: Sequence[Visit]) -> list[str]:
        """Walk through the visits; return what is broken, a sentence each."""
        return asyncio.run(self._run(visits))

    async def _run(self, visits: Sequence[Visit]) -> list[str]:
        found: list[str] = []
        port = int(self.origin.rpartition(":")[2])
        async with async_playwright() as playwright:
            chromium = await playwright.chromium.launch(**launch_options(port))
            for (visitor, language), group in grouped_by_context(visits):
                context = await chromium.new_context()
                await context.add_init_script(CALM)
                await context.add_cookies(self._cookies(visitor, language))
                waiting = deque(group)
                await asyncio.gather(*(self._tab(context, waiting, found) for _tab in range(TABS)))
                await context.close()
            await chromium.close()
        return sorted(found)

    def _cookies(self, visitor: str, language: str) -> Any:
        values = {settings.LANGUAGE_COOKIE_NAME: language}
        if session := self.sessions[visitor]:
            values[settings.SESSION_COOKIE_NAME] = str(session.session_key)
        return [{"name": name, "value": value, "url": self.origin} for name, value in values.items()]

    async def _tab(self, context: BrowserContext, waiting: deque[Visit], found: list[str]) -> None:
        page, worn = await context.new_page(), None
        page.set_default_timeout(120_000)  # a busy machine is no fault of the page
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        while waiting:
            visit = waiting.popleft()
            # What the tab wears already comes first: each change of the window takes a while.
            order = sorted(visit.combinations, key=lambda one: one != worn)
            found += await self._look(page, replace(visit, combinations=tuple(order)))
            found += [f"{visit.path} [{visit.visitor}] {text}" for text in said if FORBIDDEN in text]
            said.clear()
            worn = order[-1]

    async def _look(self, page: Page, visit: Visit) -> list[str]:
        await wear(page, visit.combinations[0])
        status = await self._open(page, visit)
        if status != visit.status:
            return [f"{visit.path} [{visit.visitor}] answers {status}"]
        if visit.style:
            await page.evaluate(ADD_STYLE, visit.style)
        found = []
        for combination in visit.combinations:
            if combination != visit.combinations[0]:
                await wear(page, combination)
            await page.evaluate(WEAR, combination.scheme == "dark")
            faults = await page.evaluate(CHECKER, DECLARED)
            found += [sentence(visit, combination, fault) for fault in faults]
            await shoot(page, visit, combination)
        return found

    async def _open(self, page: Page, visit: Visit) -> int:
        """Show the visit's page in the tab; return the status of the answer."""
        if visit.html:
            await self._show(page, visit)
            return visit.status
        has_frame = page.url.startswith(f"{self.origin}/admin/") and visit.path.startswith("/admin/")
        if has_frame and (status := int(await page.evaluate(SWAP, visit.path))):
            return status
        answer = await page.goto(f"{self.origin}{visit.path}", wait_until="load")
        return answer.status if answer else 0

    async def _show(self, page: Page, visit: Visit) -> None:
        """Show the visit's own HTML as if the server had answered it."""
        address = f"{self.origin}{visit.path.partition('#')[0]}"
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": visit.policy}

        async def answer(route: Route) -> None:
            await route.fulfill(body=visit.html, headers=headers)

        # Not `times=1`: taking the route back while its answer is under way can leave the page waiting for ever.
        await page.route(address, answer)
        await page.goto(address, wait_until="load")
        await page.unroute(address)


def grouped_by_context(visits: Sequence[Visit]) -> Iterator[tuple[tuple[str, str], list[Visit]]]:
    def key(visit: Visit) -> tuple[str, str]:
        return visit.visitor, visit.language

    for pair, group in groupby(sorted(visits, key=key), key=key):
        yield pair, list(group)


async def wear(page: Page, combination: Combination) -> None:
    """Give the page the width and the scheme."""
    size: ViewportSize = {"width": combination.width, "height": 900}
    if page.viewport_size != size:
        await page.set_viewport_size(size)
    await page.emulate_media(color_scheme="dark" if combination.scheme == "dark" else "light")


def sentence(visit: Visit, combination: Combination, fault: Mapping[str, str]) -> str:
    place = f"{visit.path} [{combination.name}, {visit.visitor}]"
    return f"{place} {fault['rule']}: {fault['where']} «{fault['text']}» ({fault['detail']})"


async def shoot(page: Page, visit: Visit, combination: Combination) -> None:
    if SHOTS:
        name = re.sub(r"[^\w-]+", "_", f"{visit.path} {combination.name} {visit.visitor}").strip("_")
        await page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)
