"""Consoles in a real browser: a guest's display, and a shell on its serial line."""

from __future__ import annotations

import uuid
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.cloud import hosts
from tests.cloud.conftest import Cloud
from tests.cloud.web import log_in
from tests.portal import eventually

pytestmark = [pytest.mark.browser, pytest.mark.lab, pytest.mark.wire]

BOOT_MS = 240_000
PASSWORD = "open-sesame-7"
REFUSED = "This address of a console was used already, or has expired."
# Pixels of the canvas that are not black.
LIT = """() => {
  const canvas = document.querySelector("#stage canvas");
  if (!canvas || !canvas.width) return 0;
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let lit = 0;
  for (let at = 0; at < data.length; at += 4) lit += data[at] + data[at + 1] + data[at + 2] > 60;
  return lit;
}"""


def test_the_consoles_of_a_server(page: Page, empty_cloud: Cloud, artifacts):
    portal = empty_cloud.portal
    server = created(empty_cloud)

    seen_by_url(page, empty_cloud, server, artifacts)
    typed_by_url(page, empty_cloud, server, artifacts)
    refusals(empty_cloud, server)
    from_the_dashboard(page, empty_cloud, server, artifacts)
    # Nothing of a token is in any log.
    logs = "".join(path.read_text() for path in portal.var.glob("*.log"))
    assert "token=" not in logs


def created(cloud: Cloud) -> str:
    """A server whose console lets root in with a password."""
    words = ("--image", "tiny", "--flavor", "m1.tiny", "--nic", "auto", "--password", PASSWORD)
    with hosts.only(cloud, cloud.hosts[0]["name"]):
        made = cloud.portal.openstack_json(
            "server",
            "create",
            *words,
            "--use-config-drive",
            "--wait",
            f"seen-{uuid.uuid4().hex[:8]}",
        )
    return str(made["id"])


def seen_by_url(page: Page, cloud: Cloud, server: str, artifacts) -> None:
    url = url_of(cloud, server)
    assert url.startswith(f"{cloud.portal.url}/console/vnc?token=")
    page.goto(url)

    expect(page.locator("#note")).to_have_text("Connected")
    eventually(lambda: page.evaluate(LIT) > 500, within_s=120, what="the display shows something")
    assert "token" not in page.url
    page.screenshot(path=artifacts / "display.png")
    page.goto(url)
    expect(page.locator("#note")).to_contain_text(REFUSED)


def typed_by_url(page: Page, cloud: Cloud, server: str, artifacts) -> None:
    page.goto(url_of(cloud, server, "--serial"))
    expect(page.locator("#note")).to_have_text("Connected")
    screen = page.locator("#stage .xterm-rows")
    # The prompt may have been there before: it is shown again.
    expect(screen).to_contain_text("login:", timeout=BOOT_MS)

    page.locator("#stage").click()
    page.keyboard.type("root\n")
    expect(screen).to_contain_text("Password:")
    page.keyboard.type(f"{PASSWORD}\n")
    expect(screen).to_contain_text("#")
    page.keyboard.type("echo sum-$((40 + 2))\n")
    expect(screen).to_contain_text("sum-42")
    page.screenshot(path=artifacts / "terminal.png")

    # The log goes on beside it.
    eventually(
        lambda: "sum-42" in cloud.portal.openstack("console", "log", "show", server),
        what="the log has what was typed",
    )


def refusals(cloud: Cloud, server: str) -> None:
    """Of a used, a foreign and no token, and of a page of another origin."""
    used = token_of(url_of(cloud, server))
    assert socket_of(cloud, used)[0].startswith(b"RFB ")
    assert socket_of(cloud, used) == (b"", 4403)
    assert socket_of(cloud, uuid.uuid4().hex) == (b"", 4403)
    with pytest.raises(InvalidStatus):
        socket_of(cloud, token_of(url_of(cloud, server)), origin="https://elsewhere.example")

    admin = hosts.admin_of(cloud).compute
    fresh = token_of(url_of(cloud, server))
    shown = admin.get(f"/os-console-auth-tokens/{fresh}", microversion="2.99").json()["console"]
    assert (shown["instance_uuid"], shown["host"]) == (server, cloud.hosts[0]["name"])
    assert shown["port"] >= 5900
    assert admin.get(f"/os-console-auth-tokens/{used}", microversion="2.31").status_code == 404


def from_the_dashboard(page: Page, cloud: Cloud, server: str, artifacts) -> None:
    log_in(page, cloud, "demo")
    page.goto(f"/servers/{server}/console/")
    picture = page.get_by_alt_text("What the display shows at the moment")
    expect(picture).to_have_js_property("complete", True)
    eventually(lambda: picture.evaluate("image => image.naturalWidth") > 300)
    page.screenshot(path=artifacts / "console-tab.png", full_page=True)

    page.get_by_role("link", name="Open the serial console").click()
    screen = page.locator("#stage .xterm-rows")
    expect(screen).to_contain_text("#")
    page.reload()  # asks for another token
    expect(page.locator("#note")).to_have_text("Connected")
    page.locator("#stage").click()
    page.keyboard.type("echo again-$((6 * 7))\n")
    expect(screen).to_contain_text("again-42")

    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.screenshot(path=artifacts / "terminal-small-dark.png")
    page.goto(f"/servers/{server}/console/vnc/")
    expect(page.locator("#note")).to_have_text("Connected")
    before = eventually(lambda: page.evaluate(LIT))
    page.keyboard.type("root\n")  # at the login of the display, which then asks for a password
    eventually(lambda: page.evaluate(LIT) > before + 100, what="the display shows what was typed")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.screenshot(path=artifacts / "display-small-dark.png")

    cloud.portal.openstack("server", "stop", server)
    expect(page.locator("#note")).to_contain_text("closed", timeout=60_000)
    expect(page.get_by_role("button", name="Connect again")).to_be_visible()


def url_of(cloud: Cloud, server: str, *words: str) -> str:
    return str(cloud.portal.openstack_json("console", "url", "show", *words, server)["url"])


def token_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["token"][0]


def socket_of(cloud: Cloud, token: str, origin: str | None = None) -> tuple[bytes, int]:
    """The first bytes behind a token, or none and the code of the end."""
    port = cloud.portal.environment["CLOUDPORTAL_LIVE_PORT"]
    address = f"ws://127.0.0.1:{port}/live/console?token={token}"
    with connect(address, origin=Origin(origin or cloud.portal.url)) as socket:
        try:
            return socket.recv(timeout=30, decode=False), 0
        except ConnectionClosed as ended:
            return b"", ended.rcvd.code if ended.rcvd else 0
