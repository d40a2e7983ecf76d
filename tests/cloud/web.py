"""A browser on the portal, logged in as a newcomer would."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.cloud.conftest import Cloud


def password_of(cloud: Cloud, user: str) -> str:
    """What a newcomer reads in the file that `make run` names."""
    lines = (cloud.portal.var / "credentials").read_text().splitlines()
    return dict(line.split() for line in lines if not line.startswith("#"))[user]


def log_in(page: Page, cloud: Cloud, user: str) -> None:
    """Open the portal's first page as that user; its scripts have come."""
    page.goto("/")
    page.get_by_label("Name").fill(user)
    page.get_by_label("Password").fill(password_of(cloud, user))
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.wait_for_load_state()
