"""Overview, key pairs, images, networks, and what all pages have in common."""

import gzip
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse

from dashboard.power import ACTIONS
from dashboard.templatetags import portal
from images.models import Image, ImageStatus
from networks.models import Network
from servers.models import KeyPair
from tests.dashboard.world import PUBLIC_KEY, fill

OVERVIEW = reverse("dashboard:overview")
KEYS = reverse("dashboard:key-pairs")
IMPORT = reverse("dashboard:import-key-pair")
DELETE = reverse("dashboard:delete-key-pair")
STATIC = Path(settings.BASE_DIR, "static")


def test_overview_shows_quota_and_the_newest_servers(member, world):
    fill(world)

    page = member.get(OVERVIEW)

    bars = {bar.resource: (bar.used, bar.limit) for bar in page.context["bars"]}
    assert bars == {"instances": (6, 10), "cores": (7, 20), "ram": (8960, 51200)}
    assert "web-1" in page.content.decode()
    assert "First steps" not in page.content.decode()


def test_overview_of_an_empty_project_shows_first_steps(member, reader):
    assert "First steps" in member.get(OVERVIEW).content.decode()
    assert reverse("dashboard:create-server") not in reader.get(OVERVIEW).content.decode()


def test_key_pair_is_imported_and_listed(member, world):
    answer = member.post(IMPORT, {"name": "laptop", "public_key": PUBLIC_KEY}, follow=True)

    text = answer.content.decode()
    assert "laptop is imported." in text
    assert KeyPair.objects.get(user_id=world.member.id).fingerprint in text


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "", "public_key": PUBLIC_KEY},
        {"name": "laptop", "public_key": ""},
        {"name": "laptop", "public_key": "-----BEGIN OPENSSH PRIVATE KEY-----"},
        {"name": "<b>", "public_key": PUBLIC_KEY},
    ],
)
def test_unusable_key_is_refused_in_the_form(member, fields):
    answer = member.post(IMPORT, fields)

    assert answer.status_code == 422
    assert answer.context["form"].errors
    assert not KeyPair.objects.exists()


def test_second_key_of_a_name_is_refused(member):
    member.post(IMPORT, {"name": "laptop", "public_key": PUBLIC_KEY})

    assert member.post(IMPORT, {"name": "laptop", "public_key": PUBLIC_KEY}).status_code == 422


def test_key_pair_is_deleted_after_a_question(member, world):
    KeyPair.objects.create(user_id=world.member.id, name="a b&c", public_key=PUBLIC_KEY)

    question = member.get(DELETE, {"name": "a b&c"}).content.decode()
    answer = member.post(DELETE, {"name": "a b&c"})

    assert "Delete a b&amp;c?" in question
    assert answer.url == KEYS
    assert not KeyPair.objects.exists()


def test_key_pairs_of_others_are_neither_shown_nor_deleted(member, world):
    KeyPair.objects.create(user_id=world.outsider.id, name="theirs", public_key=PUBLIC_KEY)

    assert "theirs" not in member.get(KEYS).content.decode()
    assert member.post(DELETE, {"name": "theirs"}).status_code == 404
    assert KeyPair.objects.exists()


def test_images_are_those_the_project_may_use(member, world):
    Image.objects.create(name="foreign", owner=world.other.id, status=ImageStatus.ACTIVE)

    page = member.get(reverse("dashboard:images")).content.decode()

    assert "tiny" in page
    assert "38\N{NO-BREAK SPACE}MiB" in page
    assert "foreign" not in page


def test_networks_are_those_the_project_may_use(member, world):
    Network.objects.create(name="foreign", project_id=world.other.id)

    page = member.get(reverse("dashboard:networks")).content.decode()

    assert "10.20.0.0/16" in page
    assert "foreign" not in page


class _Page(HTMLParser):
    """Collects what a policy or a screen reader would trip over."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.ids: list[str] = []
        self.labels: set[str] = set()
        self.inputs: list[str] = []
        self.depth_in_label = 0

    def handle_starttag(self, tag, attrs):
        found = {name: value or "" for name, value in attrs}
        if tag == "style" or (tag == "script" and "src" not in found):
            self.problems.append(f"inline <{tag}>")
        self.problems += [f"{tag} {name}" for name in found if name == "style" or name[:2] == "on"]
        for name in ("src", "href", "action"):
            if found.get(name, "").startswith(("http:", "https:", "//", "javascript:")):
                self.problems.append(f"{tag} {name}={found[name]}")
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "label":
            self.labels.add(found.get("for", ""))
            self.depth_in_label += 1
        is_shown = tag in {"input", "select", "textarea"} and found.get("type") != "hidden"
        if is_shown and not self.depth_in_label and "aria-label" not in found:
            self.inputs.append(found.get("id", tag))

    def handle_endtag(self, tag):
        if tag == "label":
            self.depth_in_label -= 1


def test_pages_are_sound(admin, world):
    """No inline code or style, nothing from elsewhere, ids once, a label for every input."""
    made = fill(world)
    servers = [
        reverse(f"dashboard:{tab}", args=[made[name].pk])
        for name in ("web-1", "too-large", "build-agent-with-a-rather-long-name-7")
        for tab in ("server", "server-console", "server-activity", "server-placement")
    ]
    others = [
        reverse(f"dashboard:{name}")
        for name in (
            "overview", "servers", "create-server", "key-pairs", "import-key-pair", "images",
            "networks", "access", "credentials", "create-credential",
        )
    ]  # fmt: skip

    for path in [*servers, *others, "/login/", "/nothing"]:
        page = _Page()
        page.feed(admin.get(path, follow=True).content.decode())
        assert page.problems == [], path
        assert sorted(page.ids) == sorted(set(page.ids)), path
        assert set(page.inputs) <= page.labels, path


def test_vendored_files_load_nothing_from_elsewhere():
    files = [path for path in STATIC.rglob("*") if path.suffix in {".css", ".js", ".svg"}]

    assert files
    for path in files:
        text = path.read_text()
        assert "sourceMappingURL" not in text, path
        assert not re.search(r"@import|url\(\s*['\"]?(?:https?:)?//", text), path
        assert not re.search(r"""(?:importScripts|fetch|src=)\(?["']https?://""", text), path


def test_vendored_packages_have_their_licence_and_a_line_in_the_list():
    packages = [path for path in (STATIC / "vendor").glob("*/*") if path.is_dir()]

    listed = (STATIC / "vendor" / "README.md").read_text()
    assert len(packages) == 7
    for package in packages:
        assert (package / "LICENSE").is_file(), package
        assert f"| {package.name} |" in listed, package
    for address in portal.VENDOR.values():
        assert (STATIC / address).is_dir(), address


def test_compressed_files_are_those_beside_them():
    compressed = list((STATIC / "vendor").rglob("*.gz"))

    assert {path.name for path in compressed} == {
        "htmx.min.js.gz",
        "tabler.min.css.gz",
        "tabler.min.js.gz",
        "xterm.js.gz",
    }
    for path in compressed:
        assert gzip.decompress(path.read_bytes()) == path.with_suffix("").read_bytes(), path


def test_vendored_files_are_sent_compressed_and_kept_for_ever(client):
    answer = client.get(
        f"/static/{portal.VENDOR['tabler']}/tabler.min.css", headers={"Accept-Encoding": "gzip"}
    )

    sent = b"".join(answer.streaming_content)

    assert answer["Content-Encoding"] == "gzip"
    assert len(sent) < 100_000
    assert "immutable" in answer["Cache-Control"]


def test_every_icon_in_use_is_here():
    templates = Path(settings.BASE_DIR, "templates").rglob("*.html")
    names = {
        name
        for path in templates
        for name in re.findall(r"""{% icon "([a-z0-9-]+)\"""", path.read_text())
        + re.findall(r"""image="([a-z0-9-]+)\"""", path.read_text())
    }

    names |= {action.icon for action in ACTIONS.values()}

    drawings = Path(settings.BASE_DIR, "static", portal.VENDOR["tabler-icons"]).glob("*.svg")
    assert {path.stem for path in drawings} == names
    assert all("<path" in portal.icon(name) for name in names)


@pytest.mark.parametrize(
    ("size", "words"),
    [(None, "\N{EN DASH}"), (0, "0 B"), (1536, "1.5 KiB"), (50 * 1024**2, "50 MiB")],
)
def test_sizes_are_said_in_the_unit_that_reads_best(size, words):
    assert portal.file_size(size) == words.replace(" ", "\N{NO-BREAK SPACE}")


@pytest.mark.parametrize(
    ("amount", "words"), [(256, "256 MiB"), (2048, "2 GiB"), (1152, "1.125 GiB"), (-1, "∞")]
)
def test_memory_is_said_in_the_unit_that_reads_best(amount, words):
    assert portal.mib(amount) == words.replace(" ", "\N{NO-BREAK SPACE}")
