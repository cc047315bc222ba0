"""The demo as a stranger meets it: two people take an incident from declare to its post-mortem in a real browser."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from tests.support.backends import free_port

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SIZE = {"width": 1280, "height": 800}
PATIENCE_MILLISECONDS = 30_000
PICTURES = os.environ.get("TOCSIN_TEST_PICTURES")  # a folder that keeps what the browser showed, for people


def chromium() -> str:
    """The machine's own browser. CI must have one."""
    found = next((path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path), None)
    if found:
        return found
    if os.environ.get("CI") == "true":
        pytest.fail("No Chromium here: install it, since CI walks through the page.")
    pytest.skip("No Chromium here.")


@asynccontextmanager
async def demo(folder: Path) -> AsyncIterator[str]:
    """`tocsin demo` as a child; the address that it prints."""
    port = free_port()
    command = [sys.executable, "-m", "bot.cli", "demo", "--port", str(port), "--data", str(folder)]
    child = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=DEVNULL)
    assert child.stdout is not None
    try:
        line = (await child.stdout.readline()).decode()
        assert f"http://127.0.0.1:{port}" in line, line
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        await child.communicate()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium."""
    path = chromium()
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield opened
        await opened.close()


class Person:
    """Somebody at the page, by what is written on it."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self._name = name
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.on(
            "console", lambda line: self.complaints.append(line.text) if line.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda problem: self.complaints.append(str(problem)))

    def find(self, testid: str) -> Locator:
        return self.page.get_by_test_id(testid)

    def starting(self, testid: str) -> Locator:
        return self.page.locator(f'[data-testid^="{testid}"]')

    def message(self, words: str) -> Locator:
        return self.page.locator("main").get_by_test_id("message").filter(has_text=words)

    async def sees(self, where: Locator, words: str | None = None) -> None:
        await expect(where.first).to_be_visible(timeout=PATIENCE_MILLISECONDS)
        if words:
            await expect(where.first).to_contain_text(words, timeout=PATIENCE_MILLISECONDS)

    async def arrives(self, url: str, user: str) -> None:
        await self.page.goto(url)
        await self.find("person-select").select_option(user)
        await self.find("channel-incidents").click()

    async def types(self, text: str) -> None:
        await self.find("composer").fill(text)
        await self.find("composer").press("Enter")

    async def jumps(self) -> None:
        await self.find("clock-jump").click()

    async def pictures(self, name: str) -> None:
        if PICTURES:
            await self.page.screenshot(path=f"{PICTURES}/{name}-{self._name}.png")


@asynccontextmanager
async def two_people(browser: Browser, url: str) -> AsyncIterator[tuple[Person, Person]]:
    """Ada and Ben, each in a browser of their own. Neither page may complain, from first to last."""
    async with AsyncExitStack() as stack:
        people = []
        for name, user in (("ada", "U0ADA"), ("ben", "U0BEN")):
            context = await browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
            stack.push_async_callback(context.close)
            people.append(Person(await context.new_page(), name))
            await people[-1].arrives(url, user)
        yield people[0], people[1]
        assert [one.complaints for one in people] == [[], []]


async def test_declared_updated_and_resolved_by_hand(browser: Browser, tmp_path: Path) -> None:
    """Ada declares with the form and writes an update; the next one posts itself; Ben resolves and reads the draft."""
    async with demo(tmp_path) as url, two_people(browser, url) as (ada, ben):
        await declare(ada)
        await write_an_update(ada)
        await let_it_fall_due(ada)
        await resolve(ben)
        await read_the_draft(ben)
        await confirm(ada)


async def declare(ada: Person) -> None:
    await ada.types("/incident declare")
    await ada.sees(ada.find("modal"))
    await ada.starting("field-title").fill("checkout is down")
    await ada.starting("field-severity").select_option("P1")
    await ada.pictures("1-declare")
    await ada.find("modal-submit").click()
    await expect(ada.find("modal")).to_have_count(0, timeout=PATIENCE_MILLISECONDS)
    await ada.sees(ada.message("checkout is down"))
    await ada.pictures("2-announced")
    await ada.starting("channel-inc-1").click()
    await ada.sees(ada.find("channel-topic"), "checkout is down")
    await ada.sees(ada.message("investigating"))
    await ada.pictures("3-channel")


async def write_an_update(ada: Person) -> None:
    await ada.message("Severity").get_by_test_id("action-incident.update").first.click()
    await ada.sees(ada.find("modal"))
    await ada.starting("field-text").fill("Traffic is shifted to the other region.")
    await ada.pictures("4-update")
    await ada.find("modal-submit").click()
    await ada.sees(ada.message("Traffic is shifted to the other region."))


async def let_it_fall_due(ada: Person) -> None:
    """To the reminder, then to the moment it is due: the bot writes, and says that it was the bot."""
    await ada.jumps()
    await ada.sees(ada.message("was promised by"))
    await ada.pictures("5-reminded")
    await ada.jumps()
    await ada.sees(ada.message("since nobody had written"))
    await ada.pictures("6-own-update")


async def resolve(ben: Person) -> None:
    await ben.starting("channel-inc-1").click()
    await ben.find("join").click()
    await ben.types("/incident resolve")
    await ben.sees(ben.find("modal"))
    await ben.starting("field-fix").fill("Rolled back 1.42")
    await ben.starting("field-impact").fill("Nobody could pay")
    await ben.pictures("7-resolve")
    await ben.find("modal-submit").click()
    await ben.sees(ben.message("is resolved"))
    await ben.pictures("8-resolved")


async def read_the_draft(ben: Person) -> None:
    await ben.page.locator('main [data-testid="thread-open"].replies').first.click()
    await ben.sees(ben.find("thread-pane"), "Post-mortem draft of INC-1")
    await ben.starting("file-inc-1-postmortem").first.click()
    await ben.sees(ben.find("file-view"), "checkout is down")
    await ben.sees(ben.find("file-view"), "Rolled back 1.42")
    await ben.sees(ben.find("file-view"), "Root cause")
    await ben.pictures("9-post-mortem")


async def confirm(ada: Person) -> None:
    await ada.jumps()
    asked = ada.message("Does the fix of INC-1 hold")
    await ada.sees(asked)
    await asked.get_by_test_id("action-incident.confirm").click()
    await ada.sees(ada.message("confirmed that the fix holds"))
    await ada.sees(ada.find("channel-topic"), "closed")
    await ada.pictures("10-closed")


@pytest.mark.long
async def test_a_run_approved_and_watched(browser: Browser, tmp_path: Path) -> None:
    """Ada asks for the practice run; Ben approves it in the thread; Ada does her part and sees the end."""
    async with demo(tmp_path) as url, two_people(browser, url) as (ada, ben):
        for one in (ada, ben):
            await one.find("channel-ops-alerts").click()
        await ask_for_the_run(ada)
        await approve_it(ben)
        await do_the_manual_part(ada)


async def ask_for_the_run(ada: Person) -> None:
    await ada.types("/runbook run")
    await ada.sees(ada.find("modal"))
    await ada.starting("field-@runbook").select_option("practice")
    await ada.sees(ada.starting("field-topic"))
    await ada.starting("field-topic").fill("the fire drill")
    await ada.pictures("11-run")
    await ada.find("modal-submit").click()
    await expect(ada.find("modal")).to_have_count(0, timeout=PATIENCE_MILLISECONDS)
    await ada.sees(ada.message("RUN-1"), "waits for approval")
    await ada.pictures("12-asked")


async def approve_it(ben: Person) -> None:
    await ben.sees(ben.message("waits for approval"))
    await ben.page.locator('main [data-testid="thread-open"].replies').last.click()
    await ben.sees(ben.find("thread-pane"), "asks for approval")
    await ben.pictures("13-question")
    await ben.find("thread-pane").get_by_test_id("action-approval.approve").click()
    await ben.sees(ben.find("confirm"), "Say that it begins")
    await ben.pictures("14-sure")
    await ben.find("confirm-ok").click()
    await ben.sees(ben.find("thread-pane"), "Approved by")
    await ben.pictures("15-approved")


async def do_the_manual_part(ada: Person) -> None:
    await ada.page.locator('main [data-testid="thread-open"].replies').last.click()
    await ada.sees(ada.find("thread-pane").get_by_test_id("action-step.done"))
    await ada.pictures("16-manual")
    await ada.find("thread-pane").get_by_test_id("action-step.done").click()
    await ada.sees(ada.find("modal"))
    await ada.starting("field-evidence").fill("A message that says it is a practice")
    await ada.find("modal-submit").click()
    await ada.sees(ada.message("succeeded"))
    await ada.pictures("17-succeeded")
