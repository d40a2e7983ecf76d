"""A real browser for the tests, and where they keep what they saw."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

ROOT = Path(__file__).parents[1]
# Generous: the machine may be busy.
PAGE_MS = 30_000
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=PAGE_MS)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright runs an event loop in this thread, which makes Django refuse the database here.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def artifacts(request: pytest.FixtureRequest) -> Path:
    """A folder for pictures, named as the folder of the test."""
    kept = Path(os.environ.get("CLOUDPORTAL_TEST_ARTIFACTS", ROOT / "build/artifacts"))
    folder = kept / request.path.parent.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
