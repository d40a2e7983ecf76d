"""The guest's small JSON reader agrees with Python's, whatever a user puts into metadata."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

LIB = Path(__file__).resolve().parents[2] / "guest_image/root/usr/lib/tiny"
# A NUL cannot be in a shell's variable; lone surrogates and the path separator are in no document.
TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00\x01\x1f"), max_size=20
)
META: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "uuid": TEXT,
        "admin_pass": TEXT,
        "meta": st.dictionaries(TEXT, TEXT, max_size=3),
        "nothing": st.none(),
        "list": st.lists(st.integers() | st.booleans() | TEXT | st.just([]) | st.just({})),
        "public_keys": st.fixed_dictionaries({"mine": st.just("ssh-ed25519 AAAA me@here\n")}),
    }
)


def awk(program: str, document: str) -> bytes:
    programs = ["-f", str(LIB / "json.awk"), "-f", str(LIB / program)]
    command = ["busybox", "awk", *programs]
    return subprocess.run(command, input=document.encode(), capture_output=True, check=True).stdout


def variables(document: str) -> list[bytes]:
    """Let a shell evaluate what meta.awk printed, as the guest does."""
    assignments = awk("meta.awk", document)
    show = b'\nprintf "%s\\0" "$host_name" "$uuid" "$admin_pass" "$public_keys"'
    done = subprocess.run(
        ["busybox", "sh"], input=assignments + show, capture_output=True, check=True
    )
    assert done.stderr == b""
    return done.stdout.split(b"\0")[:-1]


@settings(deadline=None, max_examples=60)
@given(meta=META, ascii_only=st.booleans(), indent=st.sampled_from([None, 2]))
def test_any_text_reaches_the_shell_unchanged(meta, ascii_only, indent):
    document = json.dumps(meta, ensure_ascii=ascii_only, indent=indent)

    _, uuid, admin_pass, keys = variables(document)

    assert uuid.decode() == meta["uuid"]
    assert admin_pass.decode() == meta["admin_pass"]
    assert keys.decode() == "ssh-ed25519 AAAA me@here"


def test_a_host_name_is_made_safe():
    host_name, *_ = variables('{"hostname": "$(reboot)`x`; one.example"}')

    assert host_name == b"--reboot--x---one.example"


def test_files_are_named_with_their_targets():
    document = json.dumps(
        {"files": [{"content_path": "/content/0000", "path": "/etc/it's here"}, {}]}
    )

    text = awk("meta.awk", document).decode()

    assert "inject '/content/0000' '/etc/it'\\''s here'" in text


@pytest.mark.parametrize(
    ("netmask", "gateway"), [("255.255.255.0", "10.0.0.1"), ("ffff:ffff::", "fd00::1")]
)
def test_a_network_becomes_steps(netmask, gateway):
    document = json.dumps(
        {
            "links": [{"id": "tap1", "ethernet_mac_address": "FA:16:3E:00:00:01", "mtu": 1450}],
            "networks": [
                {
                    "type": "ipv6" if ":" in gateway else "ipv4",
                    "link": "tap1",
                    "ip_address": gateway[:-1] + "9",
                    "netmask": netmask,
                    "routes": [{"network": "::", "netmask": "::", "gateway": gateway}],
                    "services": [{"type": "dns", "address": "9.9.9.9"}],
                }
            ],
            "services": [{"type": "dns", "address": "1.1.1.1"}],
        }
    )

    steps = awk("network.awk", document).decode().splitlines()

    mac = "fa:16:3e:00:00:01"
    assert steps == [
        f"link {mac} 1450",
        f"address {mac} {gateway[:-1]}9 {netmask}",
        f"route {mac} :: :: {gateway}",
        "dns 9.9.9.9",
        "dns 1.1.1.1",
    ]


def test_a_network_with_dhcp_asks_for_a_lease():
    document = json.dumps(
        {
            "links": [{"id": "a", "ethernet_mac_address": "fa:16:3e:00:00:02", "mtu": None}],
            "networks": [{"type": "ipv4_dhcp", "link": "a"}],
        }
    )

    steps = awk("network.awk", document).decode().splitlines()

    assert steps == ["link fa:16:3e:00:00:02 0", "dhcp fa:16:3e:00:00:02"]
