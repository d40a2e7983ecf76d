"""Where images are fetched from, and where never."""

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.addresses import addresses_of, check_literal, is_public, parse_uri
from images.errors import SourceRefused, SourceUnavailable

pytestmark = pytest.mark.once
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


@pytest.fixture
def names(monkeypatch):
    """What names mean, as the resolver says."""
    known: dict[str, list[str]] = {}

    def resolve(host, port, **options):
        try:
            found = [str(ipaddress.ip_address(host))]
        except ValueError:
            found = known.get(host, [])
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, 1, 6, "", (each, port))
            for each in found
        ]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    return known


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1", "127.255.1.2", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255"),
        *("192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "239.1.1.1"),
        *("255.255.255.255", "240.0.0.1", "192.0.2.7", "198.18.0.1", "192.0.0.9"),
        *("::", "::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "fec0::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "100::1"),
        *("64:ff9b:1::1", "2002:7f00:1::", "2001:0:7f00:1::", "3fff::1", "fe80::1%eth0"),
    ],
)
def test_what_is_inside_is_not_public(text):
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2600::1", "2a00:1450::1"])
def test_what_is_outside_is_public(text):
    assert is_public(ipaddress.ip_address(text))


@given(st.ip_addresses())
def test_nothing_is_public_that_the_standard_library_calls_inside(address):
    flags = ("is_private", "is_loopback", "is_link_local", "is_multicast", "is_unspecified")
    inside = any(getattr(address, flag) for flag in (*flags, "is_reserved"))

    assert not (is_public(address) and inside)


@given(st.ip_addresses(v=4))
def test_no_address_is_reached_by_another_form_of_it(address):
    number = int(address)
    forms = [
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address(number),
        ipaddress.IPv6Address((0x0064FF9B << 96) | number),
        ipaddress.IPv6Address((0x2002 << 112) | number << 80),
    ]

    assert not any(is_public(form) for form in forms)


@pytest.mark.parametrize(
    "uri",
    [
        *("file:///etc/passwd", "ftp://example.org/x", "gopher://example.org", "x", "", "http://"),
        *("http:///x", "//example.org/x", "http://user@example.org/", "http://a:b@example.org/"),
        *("http://@example.org/", "http://example.org\\@10.0.0.1/", "http://exa mple.org/"),
        *("http://example.org/\r\nHost: x", "http://example.org:0/", "http://example.org:99999/"),
        *("http://example.org:x/", "http://[::1", "http://example%2eorg/", "http://é.org/"),
        *("http://" + "x" * 2050, None, 3, ["http://example.org"], "http://[fe80::1%25eth0]/"),
    ],
)
def test_what_is_no_plain_web_address_is_refused(uri):
    with pytest.raises(SourceRefused):
        parse_uri(uri)


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("http://example.org", ("http", "example.org", 80, "/")),
        ("HTTPS://Example.org/a%20b?c=d&e#f", ("https", "example.org", 443, "/a%20b?c=d&e")),
        ("http://[2600::1]:8080/x", ("http", "2600::1", 8080, "/x")),
    ],
)
def test_a_web_address_is_taken_apart(uri, parts):
    source = parse_uri(uri)

    assert (source.scheme, source.host, source.port, source.target) == parts


@pytest.mark.parametrize(
    "found",
    [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["2600::1", "::1"], ["::ffff:10.0.0.1"]],
)
def test_a_name_with_any_inner_address_is_refused(names, found):
    names["example.org"] = found

    with pytest.raises(SourceRefused, match="may not be fetched from this host") as caught:
        addresses_of(parse_uri("http://example.org/"), ())
    # What a name means inside is for the log.
    assert not any(address in str(caught.value) for address in found)


def test_a_public_name_has_its_addresses(names):
    names["example.org"] = ["2600::1", "8.8.8.8", "8.8.8.8"]

    found = addresses_of(parse_uri("https://example.org/"), ())

    assert [str(each) for each in found] == ["2600::1", "8.8.8.8"]


def test_a_name_without_addresses_may_have_some_later(names):
    with pytest.raises(SourceUnavailable):
        addresses_of(parse_uri("http://nowhere.example/"), ())


@pytest.mark.parametrize("uri", ["http://8.8.8.8:22/", "https://8.8.8.8:6443/"])
def test_other_ports_are_for_allowed_networks(names, uri):
    with pytest.raises(SourceRefused):
        addresses_of(parse_uri(uri), LOOPBACK)
    assert addresses_of(parse_uri("http://127.0.0.1:8080/"), LOOPBACK)
    assert addresses_of(parse_uri("http://[::1]:8080/"), LOOPBACK)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254"])
def test_a_host_written_as_an_address_is_refused_at_once(host):
    with pytest.raises(SourceRefused):
        check_literal(parse_uri(f"http://{host}/"), ())


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost"])
def test_odd_spellings_of_an_address_are_what_they_mean(host):
    source = parse_uri(f"http://{host}/")

    check_literal(source, ())
    with pytest.raises(SourceRefused):
        addresses_of(source, ())
