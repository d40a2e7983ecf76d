"""What unequal hosts have in common, as their capabilities say it."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from hypervisors.libvirt.baseline import family_of, shared_machine, shared_model, usable_models

DATA = Path(__file__).parent / "data"


def models(name):
    return usable_models(ET.fromstring((DATA / f"cpus_{name}.xml").read_text()))


@pytest.mark.parametrize(
    ("vendor", "hosts", "model"),
    [
        ("Intel", ["haswell"], "Haswell-noTSX-IBRS"),
        # Its host-model is one that it cannot give guests: TSX is switched off in it.
        ("Intel", ["cascadelake"], "Cascadelake-Server-noTSX"),
        ("Intel", ["cascadelake", "haswell"], "Haswell-noTSX-IBRS"),
        ("AMD", ["rome"], "EPYC-IBPB"),
        ("Intel", ["haswell", "rome"], "Westmere"),
        ("Nobody", ["haswell", "rome"], "kvm64"),
        ("Intel", [], ""),
    ],
)
def test_hosts_share_the_best_model_that_each_can_be(vendor, hosts, model):
    assert shared_model(vendor, [models(name) for name in hosts]) == model


def test_hosts_that_share_no_known_model_share_none():
    assert shared_model("Intel", [["Haswell"], ["EPYC"]]) == ""


@pytest.mark.parametrize(
    ("family", "machines", "found"),
    [
        ("pc-q35", [["pc-q35-7.2", "pc-q35-7.1"], ["pc-q35-7.1", "pc-q35-6.2"]], "pc-q35-7.1"),
        ("pc-q35", [["pc-q35-9.2", "pc-q35-9.10"]], "pc-q35-9.10"),
        ("pc-q35", [["pc-q35-7.2"], ["pc-q35-6.2"]], ""),
        ("pc-i440fx", [["pc-q35-7.2", "pc-i440fx-7.2"]], "pc-i440fx-7.2"),
        ("pc-q35", [["pc-q35-rhel9.6.0", "pc-q35-rhel10.0.0"]], "pc-q35-rhel10.0.0"),
        ("pc-q35", [], ""),
        ("", [["virt"]], ""),
    ],
)
def test_hosts_share_the_newest_version_that_each_has(family, machines, found):
    assert shared_machine(family, [{name: name for name in each} for each in machines]) == found


def test_a_version_that_only_an_alias_stands_for_counts():
    assert shared_machine("pc-q35", [{"q35": "pc-q35-7.2"}, {"pc-q35-7.2": "pc-q35-7.2"}]) == (
        "pc-q35-7.2"
    )


def test_what_has_no_version_is_of_no_family():
    assert (family_of("pc-q35-7.2"), family_of("virt")) == ("pc-q35", "")
