import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.urls import reverse
from django.utils import timezone

from hypervisors.fence_command import words_of
from hypervisors.libvirt import errors as driver
from hypervisors.models import Aggregate, HostState, Hypervisor
from hypervisors.platforms import CPU_MODEL
from identity.models import Domain, User
from tests.hypervisors.factories import put_server_on
from tests.hypervisors.test_register import URI
from tests.hypervisors.test_register import shown as shown
from tests.hypervisors.test_ssh import ED25519


@pytest.fixture
def admin(client, db):
    """A client logged in to the admin."""
    Domain.objects.get_or_create(id="default", defaults={"name": "Default"})
    user = User.objects.create_superuser("root")
    client.force_login(user)
    return client


FORM = {
    "name": "host9", "uri": URI, "virt_type": "auto", "cpu_ratio": "4", "ram_ratio": "1",
    "disk_ratio": "1", "reserved_vcpus": "0", "reserved_ram_mib": "512", "reserved_disk_gib": "0",
    "is_enabled": "on", "max_concurrent_builds": "4", "labels": "{}",
    "fence_after_s": "180", "fence_timeout_s": "60",
    "pools-TOTAL_FORMS": "0", "pools-INITIAL_FORMS": "0",
    "physical_networks-TOTAL_FORMS": "0", "physical_networks-INITIAL_FORMS": "0",
}  # fmt: skip


def _messages(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def _act(admin, action, *hosts):
    data = {"action": action, "_selected_action": [host.pk for host in hosts]}
    return admin.post(reverse("admin:hypervisors_hypervisor_changelist"), data)


def test_adding_first_shows_the_host_key_and_saves_nothing(admin, hosts, shown):
    answer = admin.post(reverse("admin:hypervisors_hypervisor_add"), FORM)

    assert ED25519.fingerprint in answer.content.decode()
    assert not Hypervisor.objects.exists()


def test_adding_with_the_accepted_key_checks_and_saves(admin, hosts, shown):
    form = {**FORM, "accepted_fingerprint": ED25519.fingerprint}

    answer = admin.post(reverse("admin:hypervisors_hypervisor_add"), form)

    assert answer.status_code == 302, answer.content.decode()
    host = Hypervisor.objects.get()
    assert (host.state, host.vcpus, host.pools.count()) == (HostState.UP, 8, 1)
    assert ED25519.text in host.host_keys
    assert any("NAT networks" in text for text in _messages(answer))


def test_adding_an_unfit_host_says_what_is_missing(admin, hosts, shown):
    hosts["host9"].fail_on("ensure_network", driver.DriverError("no <dnsmasq>"))
    form = {**FORM, "accepted_fingerprint": ED25519.fingerprint}

    answer = admin.post(reverse("admin:hypervisors_hypervisor_add"), form).content.decode()

    assert "no &lt;dnsmasq&gt;" in answer
    assert not Hypervisor.objects.exists()


def test_changing_a_ratio_asks_no_host(admin, hosts, hypervisor, ssh_dir):
    hosts[hypervisor.name].is_down = True
    form = {**FORM, "name": hypervisor.name, "uri": hypervisor.uri, "cpu_ratio": "2",
            "pools-INITIAL_FORMS": "1", "pools-TOTAL_FORMS": "1",
            "pools-0-id": hypervisor.pools.get().pk, "pools-0-hypervisor": hypervisor.pk,
            "pools-0-is_default": "on"}  # fmt: skip
    url = reverse("admin:hypervisors_hypervisor_change", args=[hypervisor.pk])

    answer = admin.post(url, form)

    assert answer.status_code == 302, answer.content.decode()
    hypervisor.refresh_from_db()
    assert hypervisor.cpu_ratio == 2
    assert admin.get(url).status_code == 200


def test_list_shows_state_zone_and_claims_without_a_query_a_row(
    admin, hosts, hypervisor, django_assert_max_num_queries
):
    zone = Aggregate.objects.create(name="west", availability_zone="west")
    for number in range(10):
        zone.hypervisors.add(Hypervisor.objects.create(name=f"h{number}", uri=f"u{number}"))

    with django_assert_max_num_queries(14):
        text = admin.get(reverse("admin:hypervisors_hypervisor_changelist")).content.decode()

    assert "0 of 32" in text
    assert "west" in text


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("", "qemu64, pc-q35-7.2"),
        ("Nehalem", "Nehalem, pc-q35-7.2"),
        ("EPYC", "The host cannot give guests the CPU model of its group."),
    ],
)
def test_a_host_tells_what_its_guests_are_made_as(admin, hypervisor, ssh_dir, model, words):
    group = Aggregate.objects.create(name="old", metadata={CPU_MODEL: model})
    group.hypervisors.add(hypervisor)

    page = admin.get(reverse("admin:hypervisors_hypervisor_change", args=[hypervisor.pk]))

    assert words in page.content.decode()


def test_actions_switch_hosts_off_and_on(admin, hypervisor):
    for action, field, value in [
        ("disable", "is_enabled", False),
        ("enable", "is_enabled", True),
        ("begin_maintenance", "in_maintenance", True),
        ("end_maintenance", "in_maintenance", False),
        ("force_down", "is_forced_down", True),
        ("unforce_down", "is_forced_down", False),
    ]:
        _act(admin, action, hypervisor)

        hypervisor.refresh_from_db()
        assert getattr(hypervisor, field) is value


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, "up"),
        ({"is_enabled": False, "disabled_reason": "new disks"}, "disabled"),
        ({"in_maintenance": True}, "maintenance"),
        ({"state": "down", "state_reason": "It is cold.", "in_maintenance": True}, "down"),
        ({"is_forced_down": True}, "forced down"),
    ],
)
def test_list_says_in_a_word_what_keeps_new_servers_away_and_why(admin, hypervisor, fields, shown):
    Hypervisor.objects.update(**fields)

    text = admin.get(reverse("admin:hypervisors_hypervisor_changelist")).content.decode()

    assert f'<td class="field-condition">{shown}</td>' in text
    assert fields.get("state_reason", fields.get("disabled_reason", "")) in text
    assert Hypervisor.objects.ready().exists() == (shown == "up")


def test_actions_check_and_look(admin, hosts, hypervisor, shown):
    Hypervisor.objects.update(host_keys=f"host1 {ED25519.kind} {ED25519.text}\n")

    assert any("NAT networks" in text for text in _messages(_act(admin, "check_now", hypervisor)))
    hosts[hypervisor.name].is_down = True
    assert "host1: The host does not answer." in _messages(_act(admin, "look", hypervisor))


@pytest.mark.parametrize("name", ["aggregate", "cachedimage"])
def test_zones_and_cached_images_are_listed(admin, name):
    assert admin.get(reverse(f"admin:hypervisors_{name}_changelist")).status_code == 200


def _aggregate_form(admin, aggregate=None, **fields):
    form = {"name": "one", "availability_zone": "", "metadata": "{}", "hypervisors": [], **fields}
    url = (
        reverse("admin:hypervisors_aggregate_add")
        if aggregate is None
        else reverse("admin:hypervisors_aggregate_change", args=[aggregate.pk])
    )
    return admin.post(url, form)


def test_an_aggregate_is_made_and_filled(admin, hypervisor):
    answer = _aggregate_form(
        admin, availability_zone="east", metadata='{"ssd": true}', hypervisors=[hypervisor.pk]
    )

    assert answer.status_code == 302, answer.content.decode()
    made = Aggregate.objects.get()
    assert (made.availability_zone, made.metadata) == ("east", {"ssd": "True"})
    assert list(made.hypervisors.all()) == [hypervisor]


@pytest.mark.parametrize(
    "fields",
    [
        {"availability_zone": "a:b"},
        {"metadata": '["a"]'},
        {"metadata": '{"availability_zone": "x"}'},
        {"metadata": '{"cloudportal:cpu_model": "a b"}'},
    ],
)
def test_an_aggregate_that_makes_no_sense_is_refused(admin, hypervisor, fields):
    assert _aggregate_form(admin, **fields).status_code == 200
    assert not Aggregate.objects.exists()


@pytest.mark.parametrize(
    ("zone", "stays", "status"),
    [("east", True, 302), ("west", True, 200), ("east", False, 200), ("", True, 200)],
)
def test_a_host_with_servers_keeps_its_zone(admin, hypervisor, zone, stays, status):
    put_server_on(hypervisor)
    aggregate = Aggregate.objects.create(name="one", availability_zone="east")
    aggregate.hypervisors.add(hypervisor)

    hosts = [hypervisor.pk] if stays else []
    answer = _aggregate_form(admin, aggregate, availability_zone=zone, hypervisors=hosts)

    assert answer.status_code == status
    aggregate.refresh_from_db()
    assert aggregate.availability_zone == "east"
    assert list(aggregate.hypervisors.all()) == [hypervisor]


def test_an_aggregate_with_hosts_is_not_deleted(admin, hypervisor):
    full, empty = Aggregate.objects.create(name="full"), Aggregate.objects.create(name="empty")
    full.hypervisors.add(hypervisor)

    for aggregate in (full, empty):
        url = reverse("admin:hypervisors_aggregate_delete", args=[aggregate.pk])
        admin.post(url, {"post": "yes"})

    assert list(Aggregate.objects.all()) == [full]


@pytest.fixture
def form_of(hypervisor, ssh_dir):
    """The form of a host that is there, as the page sends it; keywords change it."""

    def make(**changes):
        pools = {"pools-INITIAL_FORMS": "1", "pools-TOTAL_FORMS": "1",
                 "pools-0-id": hypervisor.pools.get().pk, "pools-0-hypervisor": hypervisor.pk,
                 "pools-0-is_default": "on"}  # fmt: skip
        return {**FORM, "name": hypervisor.name, "uri": hypervisor.uri, **pools, **changes}

    return make


def test_a_fence_command_is_entered_as_a_line_and_kept_sealed(admin, hypervisor, form_of):
    url = reverse("admin:hypervisors_hypervisor_change", args=[hypervisor.pk])

    saved = admin.post(url, form_of(fence_command="/bin/true -P 'a secret'"))

    assert saved.status_code == 302, saved.content.decode()
    hypervisor.refresh_from_db()
    assert words_of(hypervisor) == ("/bin/true", "-P", "a secret")
    shown = admin.get(url).content.decode()
    assert "/bin/true -P &#x27;a secret&#x27;" in shown
    entry = LogEntry.objects.latest("pk")
    assert "secret" not in f"{entry.change_message}{entry.object_repr}"
    sealed = hypervisor.sealed_fence_command
    admin.post(url, form_of(fence_command="/bin/true -P 'a secret'", cpu_ratio="2"))
    hypervisor.refresh_from_db()
    assert hypervisor.sealed_fence_command == sealed
    admin.post(url, form_of())
    hypervisor.refresh_from_db()
    assert words_of(hypervisor) == ()


def test_a_fence_command_that_cannot_be_one_is_refused_with_the_reason(admin, hypervisor, form_of):
    url = reverse("admin:hypervisors_hypervisor_change", args=[hypervisor.pk])

    answer = admin.post(url, form_of(fence_command="poweroff")).content.decode()

    assert "begins with the whole path of its program" in answer
    hypervisor.refresh_from_db()
    assert words_of(hypervisor) == ()


def test_a_host_that_is_declared_dead_no_more_is_not_fenced_either(admin, hypervisor, form_of):
    url = reverse("admin:hypervisors_hypervisor_change", args=[hypervisor.pk])
    for undo in (
        lambda: _act(admin, "unforce_down", hypervisor),
        lambda: admin.post(url, form_of()),
    ):
        Hypervisor.objects.update(is_forced_down=True, fenced_at=timezone.now())

        undo()

        hypervisor.refresh_from_db()
        assert (hypervisor.is_forced_down, hypervisor.fenced_at) == (False, None)
