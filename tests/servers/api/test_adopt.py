"""The calls that list a host's foreign domains, adopt one and release it; and the admin's pages."""

import uuid

import pytest
from django.urls import reverse

from hypervisors.libvirt.errors import HostUnreachable
from identity.models import Domain, Project, User
from operations.models import Operation
from quotas.models import QuotaLimit
from servers.models import Adoption, Server
from servers.states import VmState
from tests.authorisation import OWN_PROJECT, client_as
from tests.hypervisors.fake_host import installed
from volumes.models import Volume, VolumeType

pytestmark = pytest.mark.django_db


@pytest.fixture
def fake(host, flavor, monkeypatch):
    """The fake host behind `host`, which runs domains of others."""
    domain, _ = Domain.objects.get_or_create(pk="default", defaults={"name": "Default"})
    Project.objects.create(pk=OWN_PROJECT, name="own", domain=domain)
    return installed(monkeypatch)[host.name]


@pytest.fixture
def path(host):
    return f"/compute/v2.1/os-hypervisors/{host.uuid}/cloudportal:domains"


@pytest.fixture
def adopted(active):
    """A server whose guest was adopted, as far as the database knows."""

    def make(**fields):
        return active(adopted_name="legacy", image_id=None, **fields)

    return make


def adopt(path, domain, who="admin", **wish):
    body = {"adopt": {"project_id": OWN_PROJECT, **wish}}
    return client_as(who).post(f"{path}/{domain}/adopt", body)


def act(server, body, who="admin"):
    return client_as(who).post(f"/compute/v2.1/servers/{server.pk}/action", body)


def test_a_domain_is_listed_with_what_an_administrator_chooses_by(fake, path, flavor):
    domain = fake.make_foreign("db", vcpus=1, ram_mib=200)

    [found] = client_as("admin").get(path).json()["domains"]

    assert (found["id"], found["name"], found["power_state"]) == (str(domain), "db", "running")
    assert (found["vcpus"], found["ram"], found["disk"]) == (1, 200, 10)
    # Its disk of 10 GiB fits into no flavor there is: one is made.
    assert (found["suggested_flavor"], found["obstacle"]) == (None, None)
    assert found["interfaces"][0]["source"] == "br0"


def test_the_list_is_in_pages_by_name(fake, path):
    for name in ("c", "a", "b"):
        fake.make_foreign(name)

    first = client_as("admin").get(f"{path}?limit=2").json()
    rest = client_as("admin").get(first["domains_links"][0]["href"]).json()

    assert [each["name"] for each in first["domains"]] == ["a", "b"]
    assert [each["name"] for each in rest["domains"]] == ["c"]
    assert client_as("admin").get(f"{path}?marker={uuid.uuid4()}").status_code == 400


def test_an_adoption_is_accepted_and_shown_as_a_server(fake, path):
    domain = fake.make_foreign()

    answer = adopt(path, domain, name="heirloom")

    assert (answer.status_code, answer.json()) == (202, {"server": {"id": str(domain)}})
    assert answer["Location"].endswith(f"/servers/{domain}")
    shown = client_as("member").get(f"/compute/v2.1/servers/{domain}").json()["server"]
    assert (shown["name"], shown["status"], shown["image"]) == ("heirloom", "BUILD", "")
    assert shown["addresses"] == {}
    seen = client_as("admin", "2.3").get(f"/compute/v2.1/servers/{domain}").json()["server"]
    assert seen["OS-EXT-SRV-ATTR:instance_name"] == "legacy"
    assert Operation.objects.get().kind == "server.adopt"


@pytest.mark.parametrize(
    ("wish", "status", "words"),
    [
        ({"project_id": "nobody"}, 400, "no project"),
        ({"flavor": "nothing"}, 400, "nothing"),
        ({"flavor": "1"}, 400, "too small"),
        ({"colour": "red"}, 400, "colour"),
    ],
)
def test_a_wrong_wish_is_told_what_is_wrong(fake, path, wish, status, words):
    answer = adopt(path, fake.make_foreign(), **wish)

    assert answer.status_code == status
    assert words in answer.content.decode()
    assert not Server.objects.exists()


def test_what_is_not_there_or_too_much_or_away_is_told_apart(fake, path):
    domain = fake.make_foreign(vcpus=2)

    assert adopt(path, uuid.uuid4()).status_code == 404
    assert adopt(path, "no-uuid").status_code == 404
    assert adopt(path.replace("os-hypervisors/", "os-hypervisors/0"), domain).status_code == 404
    QuotaLimit.objects.create(project_id=OWN_PROJECT, resource="cores", limit=1)
    assert adopt(path, domain).status_code == 403
    fake.is_down = True
    assert adopt(path, domain).status_code == 503
    assert client_as("admin").get(path).status_code == 503
    assert not Server.objects.exists()


def test_a_second_adoption_is_a_conflict(fake, path):
    domain = fake.make_foreign()
    adopt(path, domain)

    answer = adopt(path, domain)

    assert answer.status_code == 409
    [listed] = client_as("admin").get(path).json()["domains"]
    assert listed["obstacle"] == "There is a server of that id."


def test_an_adopted_server_is_not_deleted(adopted):
    server = adopted()

    for answer in (
        client_as("member").delete(f"/compute/v2.1/servers/{server.pk}"),
        act(server, {"forceDelete": None}),
    ):
        assert answer.status_code == 409
        assert "release it instead" in answer.json()["conflictingRequest"]["message"]
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ({"resize": {"flavorRef": "1"}}, VmState.ACTIVE),
        ({"rebuild": {"imageRef": str(uuid.uuid4())}}, VmState.ACTIVE),
        ({"createImage": {"name": "new"}}, VmState.ACTIVE),
        ({"createBackup": {"name": "new", "backup_type": "d", "rotation": 1}}, VmState.ACTIVE),
        ({"rescue": None}, VmState.ACTIVE),
        ({"migrate": None}, VmState.ACTIVE),
        ({"shelve": None}, VmState.ACTIVE),
        ({"addSecurityGroup": {"name": "default"}}, VmState.ACTIVE),
        ({"addFixedIp": {"networkId": str(uuid.uuid4())}}, VmState.ACTIVE),
        ({"changePassword": {"adminPass": "secret"}}, VmState.ACTIVE),
        ({"os-getConsoleOutput": {}}, VmState.ACTIVE),
        ({"evacuate": {"onSharedStorage": False}}, VmState.ERROR),
        (
            {"os-migrateLive": {"host": None, "block_migration": False, "disk_over_commit": False}},
            VmState.ACTIVE,
        ),
        ({"unrescue": None}, VmState.RESCUED),
        ({"confirmResize": None}, VmState.RESIZED),
        ({"revertResize": None}, VmState.RESIZED),
        ({"shelveOffload": None}, VmState.SHELVED),
        ({"unshelve": None}, VmState.SHELVED),
        ({"injectNetworkInfo": None}, VmState.ACTIVE),
        ({"removeFixedIp": {"address": "10.20.0.10"}}, VmState.ACTIVE),
        ({"removeSecurityGroup": {"name": "default"}}, VmState.ACTIVE),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_needs_disks_or_cards_of_ours_is_a_conflict(adopted, body, state):
    server = adopted(vm_state=state)

    answer = act(server, body)

    assert answer.status_code == 409, answer.content
    assert "its guest was adopted" in answer.json()["conflictingRequest"]["message"]
    assert not Operation.objects.exists()


def test_it_gets_neither_volumes_nor_interfaces(adopted):
    server = adopted()
    volume = Volume.objects.create(
        id=uuid.uuid4(), project_id=OWN_PROJECT, user_id=server.user_id, name="data", size_gib=1,
        hypervisor=server.hypervisor, pool="cloudportal", status="available",
        type=VolumeType.objects.get_or_create(name="fast")[0],
    )  # fmt: skip

    for part, body in (
        ("os-interface", {"interfaceAttachment": {}}),
        ("os-volume_attachments", {"volumeAttachment": {"volumeId": str(volume.pk)}}),
    ):
        answer = client_as("member").post(f"/compute/v2.1/servers/{server.pk}/{part}", body)
        assert answer.status_code == 409, answer.content
        assert "its guest was adopted" in answer.json()["conflictingRequest"]["message"]
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    "body", [{"os-stop": None}, {"pause": None}, {"suspend": None}, {"lock": None}]
)
def test_its_power_and_its_lock_are_the_members(adopted, body):
    assert act(adopted(), body, "member").status_code == 202


def test_only_what_was_adopted_is_released(active, adopted):
    made, taken = active("made"), adopted(name="taken")

    assert act(made, {"cloudportal:release": None}).status_code == 409
    assert act(taken, {"cloudportal:release": {"now": True}}).status_code == 400
    assert act(taken, {"cloudportal:release": None}, "member").status_code == 403
    assert act(taken, {"cloudportal:release": None}).status_code == 202
    assert Operation.objects.get().kind == "server.release"


@pytest.fixture
def site(client, fake):
    client.force_login(User.objects.create_superuser("root", "a password 1"))
    return client


def test_the_admin_shows_the_domains_of_a_host_and_adopts_one(site, fake, host, flavor):
    domain = fake.make_foreign("<b>db</b>")
    page = reverse("admin:servers_adoption_domains", args=[host.pk])

    shown = site.get(page).content.decode()
    assert "&lt;b&gt;db&lt;/b&gt;" in shown
    adoptions = site.get(reverse("admin:servers_adoption_changelist")).content.decode()
    assert reverse("admin:hypervisors_hypervisor_changelist") in adoptions
    host_page = reverse("admin:hypervisors_hypervisor_change", args=[host.pk])
    assert page in site.get(host_page).content.decode()

    site.post(page, {"domain": str(domain), "project": OWN_PROJECT, "name": "heirloom"})

    assert Server.objects.get().name == "heirloom"
    adoption = Adoption.objects.get()
    for where in ("change", "history"):
        assert (
            site.get(reverse(f"admin:servers_adoption_{where}", args=[adoption.pk])).status_code
            == 200
        )


def test_the_admin_shows_the_domains_in_pages(site, fake, host, monkeypatch):
    monkeypatch.setattr("servers.admin.DOMAINS_A_PAGE", 2)
    ids = {str(fake.make_foreign(f"old-{n}")) for n in range(3)}
    page = reverse("admin:servers_adoption_domains", args=[host.pk])

    shown = [site.get(f"{page}?page={n}").content.decode() for n in (1, 2)]

    assert [sum(each in text for each in ids) for text in shown] == [2, 1]
    # As many choices of a project as there are, however many domains.
    assert shown[0].count("<select") == 2


def test_the_admin_shows_domains_only_to_who_may_act(client, fake, host):
    user = User.objects.create_superuser("root", "a password 1")
    page = reverse("admin:servers_adoption_domains", args=[host.pk])
    User.objects.filter(pk=user.pk).update(is_superuser=False)
    client.force_login(User.objects.get(pk=user.pk))

    assert client.get(page).status_code == 403
    body = {"domain": str(fake.make_foreign()), "project": OWN_PROJECT}
    assert client.post(page, body).status_code == 403
    assert not Server.objects.exists()


def test_the_admin_says_what_is_in_the_way(site, fake, host, flavor):
    domain = fake.make_foreign()
    page = reverse("admin:servers_adoption_domains", args=[host.pk])

    body = {"domain": str(domain), "project": OWN_PROJECT, "flavor": flavor.flavorid}
    assert "too small" in site.post(page, body).content.decode()
    assert "This field is required" in site.post(page, {"domain": str(domain)}).content.decode()
    fake.refuse("foreign_domains", HostUnreachable("gone"))
    assert "does not answer" in site.get(page).content.decode()
    assert not Server.objects.exists()


def test_the_admin_releases(site, adopted):
    server = adopted()

    site.post(
        reverse("admin:servers_server_changelist"),
        {"action": "release", "_selected_action": [str(server.pk)]},
    )

    assert Operation.objects.get().kind == "server.release"
