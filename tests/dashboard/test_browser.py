"""A real browser on the pages: live updates, dialogs, dark mode, phones; pictures are kept."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from identity.models import ApplicationCredential
from servers.models import Server
from servers.states import TaskState, VmState
from tests.dashboard.world import PASSWORD, fill, make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SIZES = {"desktop": (1280, 800), "phone": (360, 740)}


@pytest.fixture
def cloud(transactional_db, monkeypatch):
    world = make_world()
    servers = fill(world)
    # There is no host behind these rows.
    monkeypatch.setattr(
        "dashboard.views.servers.console_output",
        lambda **_: "\n".join(f"[    {n}.000000] <boot> line {n}" for n in range(200)),
    )
    return servers


@pytest.fixture
def visit(chromium, live_server, cloud):
    """Log somebody in; what the page's console complains about ends the test."""

    def complain(line):
        # A form with mistakes is answered with 422, which chromium writes there too.
        if line.type == "error" and "status of 422" not in line.text:
            complaints.append(line.text)

    complaints: list[str] = []
    contexts = []

    def log_in(user="demo", *, size="desktop", scheme="light") -> Page:
        width, height = SIZES[size]
        context = chromium.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", complain)
        page.goto("/")
        page.get_by_label("Name").fill(user)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        # What is seen does nothing before its scripts have come.
        page.wait_for_load_state()
        return page

    yield log_in
    for context in contexts:
        context.close()
    assert complaints == []


def row(page: Page, name: str):
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


@pytest.mark.parametrize(
    ("size", "scheme"), [("desktop", "light"), ("desktop", "dark"), ("phone", "light")]
)
def test_pages_fit_and_are_kept_as_pictures(visit, cloud, artifacts, size, scheme):
    page = visit("admin", size=size, scheme=scheme)
    web, building = cloud["web-1"], cloud["build-agent-with-a-rather-long-name-7"]
    paths = {
        "overview": "/",
        "servers": "/servers/",
        "create": "/servers/create/",
        "server": f"/servers/{web.pk}/",
        "server-building": f"/servers/{building.pk}/",
        "server-error": f"/servers/{cloud['too-large'].pk}/",
        "console": f"/servers/{web.pk}/console/",
        "activity": f"/servers/{web.pk}/activity/",
        "placement": f"/servers/{web.pk}/placement/",
        "key-pairs": "/key-pairs/",
        "images": "/images/",
        "networks": "/networks/",
        "access": "/access/",
        "credentials": "/credentials/",
        "create-credential": "/credentials/create/",
    }

    for name, path in paths.items():
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        if name == "console":
            expect(page.get_by_text("line 199")).to_be_visible()
        page.screenshot(path=artifacts / f"{name}-{size}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0], name
        assert page.evaluate("document.documentElement.dataset.bsTheme") == scheme


def test_list_follows_a_server_by_itself_and_says_so(visit, cloud):
    page = visit()
    page.goto("/servers/")
    name = "build-agent-with-a-rather-long-name-7"
    expect(row(page, name)).to_contain_text("Create disks")

    Server.objects.change(cloud[name].pk, vm_state=VmState.ACTIVE, task_state=None)

    expect(row(page, name)).to_contain_text("Running")
    expect(page.locator("#announcer")).to_contain_text(f"{name}: Running")


def test_server_is_deleted_from_the_list_after_a_question(visit, cloud, artifacts):
    page = visit()
    page.goto("/servers/")
    page.get_by_role("button", name="Actions for batch").click()
    page.get_by_role("link", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Delete batch?")
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    page.screenshot(path=artifacts / "delete-question.png")

    dialog.get_by_role("button", name="Delete").click()

    expect(page.get_by_text("batch is being deleted.")).to_be_visible()
    expect(dialog).to_be_hidden()
    expect(row(page, "batch")).to_contain_text("deleting")
    assert Server.objects.get(pk=cloud["batch"].pk).task_state == TaskState.DELETING


def test_escape_leaves_the_question_and_the_server(visit, cloud):
    page = visit()
    page.goto(f"/servers/{cloud['web-1'].pk}/")
    page.get_by_role("link", name="Stop").click()
    expect(page.get_by_role("dialog")).to_contain_text("Stop web-1?")

    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_be_hidden()
    assert Server.objects.get(pk=cloud["web-1"].pk).task_state is None


def test_page_of_a_server_that_goes_away_returns_to_the_list(visit, cloud):
    page = visit()
    server = cloud["build-agent-with-a-rather-long-name-7"]
    page.goto(f"/servers/{server.pk}/")

    Server.objects.change(server.pk, deleted_at=server.created_at)

    expect(page.get_by_role("heading", name="Servers", exact=True)).to_be_visible()
    expect(page.get_by_text("The server is deleted.")).to_be_visible()


def test_open_menu_survives_the_live_list(visit, cloud):
    page = visit()
    page.clock.install()
    page.goto("/servers/")
    page.get_by_role("button", name="Actions for web-1").click()
    item = row(page, "web-1").get_by_role("link", name="Reboot")
    expect(item).to_be_visible()
    asked = []
    page.on("request", lambda request: asked.append(request.url))

    # Several turns of the list, which is changing.
    page.clock.run_for(6_000)

    expect(item).to_be_visible()
    assert asked == []


def test_search_narrows_while_typing(visit, cloud):
    page = visit()
    page.goto("/servers/")

    page.get_by_label("Search by name").press_sequentially("web")

    expect(page.get_by_role("link", name="batch", exact=True)).to_have_count(0)
    expect(page.get_by_role("link", name="web-2", exact=True)).to_be_visible()


def test_server_is_created_with_the_keyboard_alone_and_watched(visit, cloud, artifacts):
    page = visit()
    page.goto("/servers/create/")
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("by-hand")
    page.get_by_role("radio", name="tiny 38").press("Space")
    page.get_by_role("radio", name="m1.tiny").press("Space")
    page.screenshot(path=artifacts / "create-filled.png", full_page=True)

    page.get_by_role("button", name="Create", exact=True).press("Enter")

    expect(page.get_by_role("heading", name="by-hand is being created")).to_be_visible()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    password = page.locator("#admin-password").inner_text()
    assert page.evaluate("navigator.clipboard.readText()") == password
    page.screenshot(path=artifacts / "created.png", full_page=True)
    page.reload()
    expect(page.get_by_role("heading", name="by-hand")).to_be_visible()
    assert Server.objects.filter(name="by-hand").count() == 1


def test_credential_is_made_saved_and_deleted(visit, cloud, artifacts):
    page = visit(size="phone", scheme="dark")
    page.goto("/credentials/create/")
    page.get_by_label("Name").fill("a-robot-with-a-rather-long-name-that-wraps")
    expect(page.get_by_role("checkbox", name="member")).to_be_checked()
    page.screenshot(path=artifacts / "create-credential-phone-dark.png", full_page=True)

    page.get_by_role("button", name="Create", exact=True).click()

    expect(page.get_by_role("heading", name="a-robot")).to_be_visible()
    secret = page.locator("#credential-secret").inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert secret in download.value.path().read_text()
    page.screenshot(path=artifacts / "created-credential-phone-dark.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES["phone"][0]
    page.get_by_role("link", name="I have saved it").click()
    expect(page.get_by_text("in 90 days")).to_have_count(0)
    page.screenshot(path=artifacts / "credentials-phone-dark.png", full_page=True)
    assert secret not in page.content()
    page.get_by_role("link", name="Delete a-robot").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="No application credentials yet")).to_be_visible()
    assert not ApplicationCredential.objects.exists()


def test_mistakes_in_the_form_are_shown_where_they_are(visit, cloud, artifacts):
    page = visit()
    page.goto("/servers/create/")

    page.get_by_role("button", name="Create", exact=True).click()

    expect(page.get_by_text("Choose a size.")).to_be_visible()
    page.screenshot(path=artifacts / "create-mistakes.png", full_page=True)


def test_chosen_theme_is_remembered(visit, cloud):
    page = visit()

    page.get_by_role("button", name="Light or dark").click()
    page.goto("/servers/")

    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"


def test_phone_has_a_menu(visit, cloud, artifacts):
    page = visit(size="phone")
    link = page.get_by_role("link", name="Images")
    expect(link).to_be_hidden()

    page.get_by_role("button", name="Menu").click()

    expect(link).to_be_visible()
    page.screenshot(path=artifacts / "menu-phone-light.png")
    link.click()
    expect(page.get_by_role("heading", name="Images")).to_be_visible()


def test_hidden_page_asks_nothing(visit, cloud):
    page = visit()
    page.clock.install()
    page.goto("/servers/")
    expect(row(page, "web-1")).to_be_visible()
    page.evaluate(
        "Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})"
    )
    asked = []
    page.on("request", lambda request: asked.append(request.url))

    page.clock.run_for(20_000)

    assert asked == []
