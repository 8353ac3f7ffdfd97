"""The page on which people check a sample, in a real browser: answers are kept and saved."""

import os

import pytest

from m4jax.audit.annotating import check_page, hand_check
from m4jax.audit.annotating.hand_check import Item, Question

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
PATHS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
CHROMIUM = next((path for path in PATHS if os.access(path, os.X_OK)), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=f"no Chromium at {', '.join(PATHS)}")
ITEMS = [
    Item(f'u"{i},', "<i>a caption</i>", (Question("man", ("man", "woman")),)) for i in range(3)
]


def test_answers_are_kept_by_the_browser_and_saved_as_a_file_that_is_read(tmp_path):
    path, saved, wrong = tmp_path / "check.html", tmp_path / "answers.csv", []
    check_page.write(path, ITEMS, {}, digest="d")
    with api.sync_playwright() as playwright:
        # Without its sandbox, which needs rights that containers don't give; the page is our own.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_context(accept_downloads=True).new_page()
        tab.on("console", lambda message: wrong.append(message.text))
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("request", lambda asked: wrong.append(asked.url) if "//" in asked.url
               and not asked.url.startswith(("file:", "blob:")) else None)  # fmt: skip
        tab.goto(path.as_uri())
        cards = tab.locator("article")
        cards.nth(0).get_by_label("woman").check()
        cards.nth(1).get_by_label("unclear").focus()
        tab.keyboard.press("Space")
        tab.reload()
        assert tab.locator("#done").inner_text() == "2 of 3 answered"
        with tab.expect_download() as download:
            tab.get_by_role("button").click()
        download.value.save_as(saved)
        browser.close()
    assert wrong == []
    answers = hand_check.read_answers(saved, ITEMS)
    assert answers == {('u"0,', "man"): "woman", ('u"1,', "man"): "unclear"}
