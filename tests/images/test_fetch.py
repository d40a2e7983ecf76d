"""Fetching from a web server, which may do as it likes."""

import ipaddress
import os
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from images import fetch
from images.errors import ImageTooLarge, SourceRefused, SourceTooSlow, SourceUnavailable
from images.fetch import MAX_REDIRECTS, Limits, open_download
from tests.images.web import site

pytestmark = pytest.mark.once
LOOPBACK = (ipaddress.ip_network("127.0.0.1/32"),)
PLENTY = Limits(10_000_000, 20, LOOPBACK)
DATA = os.urandom(3_000_000)


@pytest.fixture
def web():
    with site() as found:
        yield found


def fetched(uri, limits=PLENTY):
    with open_download(uri, limits) as download:
        return b"".join(download.chunks)


def test_what_is_served_is_fetched(web):
    uri = web.serve("/a/image?x=1", DATA)

    with open_download(uri, PLENTY) as download:
        assert download.size == len(DATA)
        assert b"".join(download.chunks) == DATA
    [(path, headers)] = web.asked
    assert path == "/a/image?x=1"
    assert headers["Host"] == f"127.0.0.1:{web.port}"
    assert "Authorization" not in headers


def test_chunked_data_has_no_length_but_an_end(web):
    def answer(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in (DATA[:1000], DATA[1000:]):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.write(b"0\r\n\r\n")

    web.answers["/x"] = answer

    with open_download(web.url("/x"), PLENTY) as download:
        assert download.size is None
        assert b"".join(download.chunks) == DATA


def test_redirects_are_followed_with_relative_ones(web):
    web.serve("/c", b"there")
    web.lead("/b", "c")

    assert fetched(web.lead("/a", web.url("/b"), 308)) == b"there"


@pytest.mark.parametrize(
    "target",
    [
        *("http://localhost.localdomain@127.0.0.2/", "http://127.0.0.2:1/", "file:///etc/passwd"),
        *("http://169.254.169.254/latest/meta-data/", "//10.0.0.1/", "http://[::1]/"),
    ],
)
def test_a_redirect_leads_nowhere_else(web, target):
    with pytest.raises(SourceRefused):
        fetched(web.lead("/a", target))


def test_redirects_end(web):
    with pytest.raises(SourceRefused, match="more than"):
        fetched(web.lead("/a", "/a"))
    assert len(web.asked) == MAX_REDIRECTS + 1


def test_the_checked_address_is_connected_to_and_no_other(web, monkeypatch):
    """A name that means something else at its second look-up is looked up once."""
    looked_up = []
    answers = iter(["127.0.0.1", "127.0.0.2"])

    def resolve(host, port, *args, **options):
        # A connection asks for the literal address that it is given.
        if host != "rebinding.example":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    web.serve("/x", b"there")

    assert fetched(web.url("/x", "rebinding.example")) == b"there"
    assert looked_up == ["rebinding.example"]
    assert web.asked[0][1]["Host"] == f"rebinding.example:{web.port}"


def test_loopback_needs_the_setting(web):
    with pytest.raises(SourceRefused):
        fetched(web.serve("/x", b"there"), Limits(1000, 10))
    assert web.asked == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((404, SourceRefused), (401, SourceRefused), (204, SourceRefused), (206, SourceRefused)),
        *((500, SourceUnavailable), (503, SourceUnavailable), (429, SourceUnavailable)),
    ],
)
def test_other_answers_are_no_image(web, status, error):
    with pytest.raises(error, match=str(status)):
        fetched(web.serve("/x", b"", status=status))


def test_more_than_is_accepted_is_refused_unread(web):
    with pytest.raises(ImageTooLarge):
        fetched(web.serve("/x", b"x", Content_Length="10000001"))


def test_a_server_that_lies_about_its_end_is_not_believed(web):
    with pytest.raises(SourceUnavailable):
        fetched(web.serve("/x", b"short", Content_Length="100"))


def test_more_than_is_accepted_is_cut_off_without_a_length(web):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while True:
            handler.wfile.write(b"100000\r\n" + bytes(0x100000) + b"\r\n")

    web.answers["/x"] = answer

    with pytest.raises(ImageTooLarge):
        fetched(web.url("/x"))


def test_without_length_and_chunks_nobody_knows_the_end(web):
    def answer(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"perhaps all")

    web.answers["/x"] = answer

    with pytest.raises(SourceRefused, match="how long"):
        fetched(web.url("/x"))


def test_an_encoding_that_was_not_asked_for_is_refused(web):
    with pytest.raises(SourceRefused, match="encoding"):
        fetched(web.serve("/x", b"x", Content_Encoding="gzip"))


@pytest.mark.parametrize("when", ["before the headers", "in a header", "in the data", "in a chunk"])
def test_a_server_that_drips_is_left_in_time(web, when):
    def answer(handler):
        if when == "before the headers":
            time.sleep(3)
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        if when == "in a header":
            drip(handler)
        if when == "in a chunk":
            handler.wfile.write(b"Transfer-Encoding: chunked\r\n\r\n")
            drip(handler)
        handler.wfile.write(b"Content-Length: 1000\r\n\r\n")
        drip(handler)

    def drip(handler):
        for _ in range(100):
            handler.wfile.write(b"1")
            time.sleep(0.05)

    web.answers["/x"] = answer
    started_at = time.monotonic()

    with pytest.raises(SourceTooSlow):
        fetched(web.url("/x"), Limits(10_000, 0.5, LOOPBACK))
    assert time.monotonic() - started_at < 2.5


def test_a_server_below_the_least_rate_is_left(web, monkeypatch):
    monkeypatch.setattr(fetch, "_RATE_AFTER_S", 0.1)

    def answer(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            handler.wfile.write(b"x")
            time.sleep(0.05)

    web.answers["/x"] = answer

    with pytest.raises(SourceTooSlow, match="too slow"):
        fetched(web.url("/x"))


@pytest.fixture
def secured(tmp_path):
    """A server that is `mirror.example`, and the file with its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mirror.example")])
    now = datetime.now(tz=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("mirror.example")]), False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = tmp_path / "certificate.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    both = tmp_path / "both.pem"
    both.write_bytes(private + public.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    with site(context) as found:
        found.serve("/x", b"there")
        yield found, public


@pytest.mark.parametrize(
    ("name", "is_trusted", "is_right"),
    [("mirror.example", True, True), ("other.example", True, False), ("mirror.example", False, 0)],
)
def test_the_name_is_what_a_certificate_is_for(secured, monkeypatch, name, is_trusted, is_right):
    web, certificate = secured
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    def resolve(host, port, *args, **options):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    uri = web.url("/x", name).replace("http:", "https:")

    if is_right:
        assert fetched(uri) == b"there"
    else:
        with pytest.raises(SourceRefused, match="certificate"):
            fetched(uri)


def test_no_server_at_all_may_be_there_later():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(SourceUnavailable):
        fetched(f"http://127.0.0.1:{port}/")


def test_what_speaks_no_http_is_no_source(web):
    def answer(handler):
        handler.wfile.write(b"220 mail ready\r\n")

    web.answers["/x"] = answer

    with pytest.raises(SourceUnavailable):
        fetched(web.url("/x"))
    with pytest.raises(SourceUnavailable):
        fetched(web.url("/x").replace("http:", "https:"))


def test_the_callers_own_trouble_stays_its_own(web):
    """A disk that is full is not the server's fault."""
    uri = web.serve("/x", DATA)

    def fill_a_disk():
        with open_download(uri, PLENTY) as download:
            next(download.chunks)
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fill_a_disk()
