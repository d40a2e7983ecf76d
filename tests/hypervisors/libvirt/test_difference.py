"""A definition as libvirt keeps it is the one it was given, until somebody changes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hypervisors.libvirt.difference import definition_difference

DATA = Path(__file__).parent / "data"


def wanted(name):
    return (DATA / f"domain_{name}.xml").read_text()


def kept(name):
    """What libvirt 9 made of it."""
    return (DATA / f"domain_{name}_kept.xml").read_text()


@pytest.mark.parametrize("name", ["linux", "windows", "secure", "pinned", "floating", "passed"])
def test_what_libvirt_adds_is_no_difference(name):
    assert definition_difference(wanted(name), kept(name)) == ""


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("<vcpu placement='static'>", "<vcpu placement='static' current='1'>", 'current="1"'),
        ("65536</memory>", "131072</memory>", '+  <memory unit="KiB">131072</memory>'),
        ("<serial>root</serial>", "", "-      <serial>root</serial>"),
        ("<mtu size='1400'/>", "", '-      <mtu size="1400" />'),
        ("<model type='virtio'/>", "<model type='e1000'/>", '+      <model type="e1000" />'),
        ("<on_crash>destroy", "<on_crash>restart", "+  <on_crash>restart</on_crash>"),
        (
            "</devices>",
            "<disk type='file'><source file='/x'/><target dev='vdz'/></disk></devices>",
            '+      <source file="/x" />',
        ),
        (
            "</devices>",
            "<hostdev mode='subsystem' type='usb'><source/></hostdev></devices>",
            '+    <hostdev mode="subsystem" type="usb">',
        ),
        (
            "</disk>",
            "<iotune><read_iops_sec>9</read_iops_sec></iotune></disk>",
            "+        <read_iops_sec>9</read_iops_sec>",
        ),
        ("<vcpu ", "<cputune><quota>5000</quota></cputune><vcpu ", "+    <quota>5000</quota>"),
    ],
)
def test_what_a_hand_changed_is_shown(old, new, line):
    changed = kept("linux").replace(old, new)

    assert changed != kept("linux")
    assert line in definition_difference(wanted("linux"), changed)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pc-q35-7.2", "pc-q35-8.2"),
        ("<title>one &amp; only</title>", "<title>two</title>"),
        ("<model fallback='forbid'>qemu64<", "<model fallback='forbid'>EPYC<"),
    ],
)
def test_what_depends_on_the_host_or_is_a_label_is_not_compared(old, new):
    changed = kept("linux").replace(old, new)

    assert changed != kept("linux")
    assert definition_difference(wanted("linux"), changed) == ""


@pytest.mark.parametrize(
    ("name", "old", "new", "line"),
    [
        ("windows", "<iotune>", "<iotune><read_bytes_sec>9</read_bytes_sec>", "<read_bytes_sec>9"),
        ("windows", "<bandwidth>", "<bandwidth><inbound average='9'/>", '<inbound average="9" />'),
        ("windows", "<outbound ", "<outbound peak='9' ", 'peak="9"'),
        ("secure", "</devices>", "<tpm model='tpm-tis'/></devices>", '<tpm model="tpm-tis" />'),
        (
            "passed",
            "bus='0x81' slot='0x00' function='0x0'",
            "bus='0x82' slot='0x00' function='0x0'",
            '+        <address bus="0x82"',
        ),
        ("secure", "<smm state='on'/>", "", '<smm state="on" />'),
        ("floating", "<cputune>", "<cputune><quota>5000</quota>", "<quota>5000</quota>"),
    ],
)
def test_what_a_hand_added_or_took_is_shown(name, old, new, line):
    changed = kept(name).replace(old, new)

    assert changed != kept(name)
    assert line in definition_difference(wanted(name), changed)
