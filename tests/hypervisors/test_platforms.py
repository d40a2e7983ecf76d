"""What guests of a host are made as follows from its zone's hosts, or from its group's word."""

import pytest

from cloudportal.errors import Invalid
from hypervisors.models import Aggregate, Hypervisor
from hypervisors.platforms import (
    CPU_MODEL,
    MACHINE_TYPE,
    check_words,
    forget_neighbours,
    wish_of,
    wish_within_reach,
)

pytestmark = pytest.mark.django_db

OLD = {"machines": ["pc-q35-6.2", "pc-q35-7.1"], "models": ["Haswell", "kvm64"]}
NEW = {"machines": ["pc-q35-7.1", "pc-q35-7.2"], "models": ["Cascadelake-Server", "Haswell"]}


def make_host(name, machines=(), models=(), *, vendor="Intel", **fields):
    names = {each: each for each in machines}
    return Hypervisor.objects.create(
        name=name,
        uri=f"qemu+ssh://root@{name}/system",
        arch="x86_64",
        capabilities={
            "machines": {**names, "q35": max(names)} if names else {},
            "usable_cpu_models": {"kvm": list(models)},
            "cpu_vendor": vendor,
        },
        **{"domain_type": "kvm", **fields},
    )


def make_zone(name, *hosts):
    zone = Aggregate.objects.create(name=name, availability_zone=name)
    zone.hypervisors.add(*hosts)


def test_a_host_alone_is_its_own_measure():
    host = make_host("new", **NEW)

    wish = wish_of(host)

    assert wish.shared_cpu_model == "Cascadelake-Server"
    assert wish.shared_machines == {"pc-q35": "pc-q35-7.2"}
    assert (wish.cpu_model, wish.machine) == ("", "")


def test_hosts_of_a_zone_agree():
    old, new = make_host("old", **OLD), make_host("new", **NEW)

    for host in (old, new):
        wish = wish_of(host)
        assert wish.shared_cpu_model == "Haswell"
        assert wish.shared_machines == {"pc-q35": "pc-q35-7.1"}

    make_zone("north", new)
    assert wish_of(new).shared_cpu_model == "Cascadelake-Server"
    make_zone("south", old)
    assert wish_of(new).shared_machines == {"pc-q35": "pc-q35-7.2"}


def test_what_neighbours_have_is_known_for_a_while_and_what_the_host_has_at_once():
    host = make_host("new", **NEW)
    assert wish_of(host).shared_cpu_model == "Cascadelake-Server"

    make_host("old", **OLD)
    assert wish_of(host).shared_cpu_model == "Cascadelake-Server"
    forget_neighbours()
    assert wish_of(host).shared_cpu_model == "Haswell"

    host.capabilities["usable_cpu_models"]["kvm"] = ["Nehalem"]
    assert wish_of(host).shared_cpu_model == ""


def test_hosts_that_a_guest_could_not_come_to_do_not_count():
    host = make_host("new", **NEW)
    make_host("emulates", **OLD, domain_type="qemu")
    make_host("other", **OLD, vendor="AMD")
    make_host("unseen")

    wish = wish_of(host)

    assert wish.shared_cpu_model == "Cascadelake-Server"
    assert wish.shared_machines == {"pc-q35": "pc-q35-7.2"}


def test_a_group_has_its_say_and_of_several_the_first_by_name():
    host = make_host("new", **NEW)
    says = ({CPU_MODEL: "Haswell", "ssd": "yes"}, {CPU_MODEL: "EPYC", MACHINE_TYPE: "pc-q35-7.1"})
    for name, metadata in zip("ab", says, strict=True):
        Aggregate.objects.create(name=name, metadata=metadata).hypervisors.add(host)

    wish = wish_of(host)

    assert (wish.cpu_model, wish.machine) == ("Haswell", "pc-q35-7.1")


def test_what_the_host_cannot_do_is_left_out_for_a_guest_that_has_to_be_there():
    host = make_host("new", **NEW)
    group = Aggregate.objects.create(name="a", metadata={CPU_MODEL: "EPYC", MACHINE_TYPE: "pc-1"})
    group.hypervisors.add(host)

    wish = wish_within_reach(host)

    assert (wish.cpu_model, wish.machine) == ("", "")
    assert wish.shared_cpu_model == "Cascadelake-Server"

    group.metadata = {CPU_MODEL: "Haswell", MACHINE_TYPE: "pc-q35-7.1"}
    group.save()
    assert wish_within_reach(host) == wish_of(host)


@pytest.mark.parametrize(
    "words",
    [
        {CPU_MODEL: "EPYC-Rome", "disk": "any text, for it is of no scope"},
        {MACHINE_TYPE: "pc-q35-7.2"},
        {MACHINE_TYPE: "pc-q35-rhel9.4.0"},
        {CPU_MODEL: None},
    ],
)
def test_a_group_may_say_what_means_something(words):
    check_words(words)


@pytest.mark.parametrize(
    "words",
    [
        {"cloudportal:cpu": "EPYC"},
        {CPU_MODEL: ""},
        {CPU_MODEL: "a CPU"},
        {MACHINE_TYPE: "q35"},
        {MACHINE_TYPE: "pc-q35"},
        {MACHINE_TYPE: "pc-q35-"},
    ],
)
def test_what_a_group_would_say_in_vain_is_refused(words):
    with pytest.raises(Invalid):
        check_words(words)


@pytest.mark.parametrize("hosts", [2, 12])
def test_however_many_hosts_there_are_the_questions_are_as_many(hosts, django_assert_num_queries):
    made = [make_host(f"host{number}", **NEW) for number in range(hosts)]

    with django_assert_num_queries(2):
        wish_of(made[0])
    with django_assert_num_queries(1):
        wish_of(made[1])
