"""A real browser: the way of one server through the pages, and what the admin shows of it."""

from __future__ import annotations

import uuid

import pytest
from playwright.sync_api import expect

from tests.cloud.web import log_in, password_of

pytestmark = [pytest.mark.browser, pytest.mark.lab]

BUILD_MS = 120_000
BOOT_MS = 240_000
SCRIPT = """#!/bin/sh
echo "hello from $(hostname), said by a form"
"""


@pytest.fixture
def name():
    return f"form-{uuid.uuid4().hex[:8]}"


def test_a_server_from_the_form_to_its_end(page, empty_cloud, name, artifacts):
    log_in(page, empty_cloud, "demo")
    page.get_by_role("link", name="Create server").first.click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("radio", name="tiny").first.check()
    page.get_by_role("radio", name="m1.tiny").check()
    page.get_by_label("User data").fill(SCRIPT)
    page.get_by_label("Config drive").check()
    page.screenshot(path=artifacts / "create.png", full_page=True)
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("heading", name=f"{name} is being created")).to_be_visible()
    page.get_by_role("link", name="Watch it start").click()

    # Nobody reloads: the page follows by itself.
    state = page.locator("[data-state-of]").first
    expect(state).to_have_text("Running", timeout=BUILD_MS)
    page.screenshot(path=artifacts / "active.png", full_page=True)

    page.get_by_role("link", name="Console", exact=True).click()
    console = page.get_by_role("log")
    expect(console).to_contain_text(f"cloudportal-tiny: hostname {name}", timeout=BOOT_MS)
    expect(console).to_contain_text(f"hello from {name}, said by a form", timeout=BOOT_MS)
    page.screenshot(path=artifacts / "console.png", full_page=True)

    page.get_by_role("link", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"Delete {name}?")
    page.screenshot(path=artifacts / "delete.png")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Servers", exact=True)).to_be_visible(timeout=BUILD_MS)
    expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)

    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.goto("/servers/")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    empty_cloud.slate.assert_clean()


def test_an_administrator_sees_the_host_and_why_a_server_is_there(
    page, empty_cloud, name, artifacts
):
    demo = empty_cloud.portal.connection()
    made = demo.compute.create_server(
        name=name,
        image_id=demo.image.find_image("tiny").id,
        flavor_id=demo.compute.find_flavor("m1.tiny").id,
        networks="auto",
    )
    demo.compute.wait_for_server(made, wait=BUILD_MS // 1000, interval=1)
    admin = empty_cloud.portal.connection("cloudportal-admin")
    host = admin.compute.get_server(made.id).compute_host

    page.goto("/admin/")
    page.get_by_label("Username").or_(page.get_by_label("Name")).fill("admin")
    page.get_by_label("Password").fill(password_of(empty_cloud, "admin"))
    page.get_by_role("button", name="Log in").click()
    page.locator(".model-hypervisor th a").first.click()
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(len(empty_cloud.hosts))
    page.screenshot(path=artifacts / "admin-hypervisors.png", full_page=True)
    page.get_by_role("link", name=host, exact=True).click()
    expect(page.get_by_text("SHA256:").first).to_be_visible()
    page.screenshot(path=artifacts / "admin-hypervisor.png", full_page=True)

    page.locator(".model-server th a").first.click()
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_text("ACTIVE").first).to_be_visible()
    why = page.locator(".field-explanation")
    expect(why).to_contain_text(host)
    expect(why).to_contain_text("weights")
    operations = page.locator(".field-operations")
    operations.get_by_text("server.build done").click()
    for step in ("place", "bring_image", "prepare_host", "define_guest", "start_guest"):
        expect(operations).to_contain_text(step)
    page.screenshot(path=artifacts / "admin-server.png", full_page=True)
