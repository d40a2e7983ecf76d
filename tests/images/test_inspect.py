"""What image files may be."""

import struct
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from images.errors import WrongContent
from images.inspect import MAX_VIRTUAL_SIZE, detect_format, inspect_file
from tests.images.conftest import qcow2_bytes


@pytest.fixture
def file_of(tmp_path):
    def make(data):
        path = tmp_path / "image"
        path.write_bytes(data)
        return path

    return make


@pytest.mark.parametrize(
    "options", [(), ("compat=0.10",), ("extended_l2=on",), ("cluster_size=2M",)]
)
def test_images_of_the_real_tool_are_accepted(tmp_path, options):
    path = tmp_path / "real.qcow2"
    flags = [flag for option in options for flag in ("-o", option)]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *flags, path, "3G"], check=True)

    inspection = inspect_file(path, "qcow2")

    assert inspection.virtual_size == 3 * 1024**3


def test_image_with_a_backing_file_of_the_real_tool_is_refused(tmp_path):
    base, overlay = tmp_path / "base.qcow2", tmp_path / "overlay.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "1M"], check=True)
    create = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, overlay]
    subprocess.run(create, check=True)

    with pytest.raises(WrongContent, match="backing file"):
        inspect_file(overlay, "qcow2")


def test_image_with_an_external_data_file_of_the_real_tool_is_refused(tmp_path):
    path = tmp_path / "outside.qcow2"
    option = f"data_file={tmp_path}/data.raw"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-o", option, path, "1M"], check=True
    )

    with pytest.raises(WrongContent, match="data file"):
        inspect_file(path, "qcow2")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"backing": (0x200, 0)}, "backing file"),
        ({"backing": (0, 12)}, "backing file"),
        ({"crypt": 1}, "encrypted"),
        ({"crypt": 2}, "encrypted"),
        ({"features": 1 << 2}, "data file"),
        ({"features": 1 << 1}, "corrupt"),
        ({"features": 1 << 9}, "features"),
        ({"version": 4}, "version 4"),
        ({"cluster_bits": 3}, "cluster size"),
        ({"cluster_bits": 40}, "cluster size"),
        ({"size": 0}, "virtual size"),
        ({"size": 2**40}, "virtual size"),
        ({"l1_entries": 2**31}, "level-1"),
        ({"l1_offset": 0x50000}, "level-1"),
        ({"l1_offset": 0x30001}, "level-1"),
        ({"extensions": struct.pack(">II", 0x44415441, 8) + b"/etc/pwd"}, "data file"),
        ({"extensions": struct.pack(">II", 0xE2792ACA, 3) + b"raw"}, "backing file"),
        ({"extensions": struct.pack(">II", 0x0537BE77, 16)}, "encrypted"),
        ({"extensions": struct.pack(">II", 0x77777777, 2**31)}, "extensions"),
        ({"length": 104}, "level-1"),
    ],
)
def test_qcow2_header_that_is_unsafe_or_lies_is_refused(file_of, fields, reason):
    path = file_of(qcow2_bytes(**fields))

    with pytest.raises(WrongContent, match=reason):
        inspect_file(path, "qcow2")


def test_virtual_size_beyond_any_pool_is_refused(file_of):
    fields = {"cluster_bits": 21, "l1_offset": 0x200000, "length": 0x400000, "l1_entries": 2**12}
    header = bytearray(qcow2_bytes(size=MAX_VIRTUAL_SIZE + 1, **fields))
    header[48:56] = struct.pack(">Q", 0x200000)

    with pytest.raises(WrongContent, match="virtual size"):
        inspect_file(file_of(bytes(header)), "qcow2")


def test_level_1_entry_that_points_outside_the_file_is_refused(file_of):
    data = bytearray(qcow2_bytes())
    data[0x30000:0x30008] = struct.pack(">Q", 1 << 63 | 0x7000_0000)

    with pytest.raises(WrongContent, match="level-1"):
        inspect_file(file_of(bytes(data)), "qcow2")


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"QFI\xfb" + bytes(600), "qcow2"),
        (b"KDMV" + bytes(600), "vmdk"),
        (b"LUKS\xba\xbe" + bytes(600), "luks"),
        (b"conectix" + bytes(600), "vhd"),
        (b"vhdxfile" + bytes(600), "vhdx"),
        (bytes(0x40) + b"\x7f\x10\xda\xbe", "vdi"),
        (b"Bochs Virtual HD Image" + bytes(600), "bochs"),
        (b"# Disk DescriptorFile\nversion=1\n", "vmdk"),
        (b'# any words\n \n\nversion=3\r\nRW 9 FLAT "/etc/shadow" 0\n', "vmdk"),
        (bytes(512), "raw"),
    ],
)
def test_disguised_content_is_not_a_raw_disk(file_of, head, found):
    path = file_of(head)

    assert detect_format(head) == found
    if found == "raw":
        assert inspect_file(path, "raw").virtual_size == 512
    else:
        with pytest.raises(WrongContent, match=found):
            inspect_file(path, "raw")


def test_cd_image_is_accepted_as_iso_and_as_raw_disk(file_of):
    path = file_of(bytes(0x8001) + b"CD001" + bytes(2042))

    assert inspect_file(path, "iso").virtual_size == path.stat().st_size
    assert inspect_file(path, "raw").format == "raw"


def test_raw_disk_is_no_cd_image(file_of):
    with pytest.raises(WrongContent, match="looks like raw"):
        inspect_file(file_of(bytes(4096)), "iso")


def test_empty_file_is_refused(file_of):
    with pytest.raises(WrongContent, match="no data"):
        inspect_file(file_of(b""), "raw")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_damaged_header_is_refused_or_has_a_sane_size(tmp_path_factory, data):
    image = bytearray(qcow2_bytes(length=0x40000))
    changes = data.draw(
        st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=12)
    )
    for position, value in changes:
        image[position] = value
    path = tmp_path_factory.getbasetemp() / "damaged.qcow2"
    path.write_bytes(image)

    try:
        inspection = inspect_file(path, "qcow2")
    except WrongContent:
        return

    assert 0 < inspection.virtual_size <= MAX_VIRTUAL_SIZE
    assert not any(image[8:20])  # no backing file got through
    assert not any(image[32:36])  # nor any encryption


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=2000))
def test_any_bytes_are_raw_or_refused_and_never_an_accident(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(b"QFI\xfb" + content)

    with pytest.raises(WrongContent):
        inspect_file(path, "qcow2")


@settings(max_examples=200, deadline=None)
@given(
    lines=st.lists(
        st.one_of(
            st.binary(max_size=40).map(lambda text: b"#" + text.replace(b"\n", b"") + b"\n"),
            st.integers(0, 9).map(lambda count: b" " * count + b"\n"),
            st.integers(0, 9).map(lambda count: b" " * count + b"\r\n"),
        ),
        max_size=20,
    ),
    version=st.sampled_from([b"version=1\n", b"version=2\r\n", b"version=3\n"]),
    extents=st.binary(max_size=200),
)
def test_a_vmdk_descriptor_in_any_disguise_is_never_a_raw_disk(
    tmp_path_factory, lines, version, extents
):
    path = tmp_path_factory.getbasetemp() / "descriptor"
    path.write_bytes(b"".join(lines) + version + extents)

    for disk_format in ("raw", "qcow2", "iso"):
        with pytest.raises(WrongContent):
            inspect_file(path, disk_format)


_ANY = st.integers(0, 2**64 - 1)
_HALF = st.integers(0, 2**32 - 1)


@settings(max_examples=300, deadline=None)
@given(
    backing=st.one_of(st.just((0, 0)), st.tuples(_ANY, _HALF)),
    crypt=st.one_of(st.just(0), _HALF),
    features=st.one_of(st.just(0), _ANY),
    size=_ANY,
    l1_entries=_HALF,
    l1_offset=st.one_of(st.just(0x30000), _ANY),
    cluster_bits=st.one_of(st.just(16), st.integers(0, 2**32 - 1)),
    version=st.sampled_from([2, 3]),
)
def test_no_header_gets_through_that_refers_outside_or_claims_what_is_not_there(
    tmp_path_factory, **fields
):
    path = tmp_path_factory.getbasetemp() / "claims"
    path.write_bytes(qcow2_bytes(**fields, length=0x40000))

    try:
        inspection = inspect_file(path, "qcow2")
    except WrongContent:
        return

    assert (fields["backing"], fields["crypt"]) == ((0, 0), 0)
    # Corrupt, or with an external data file.
    assert fields["version"] == 2 or not fields["features"] & 0b110
    cluster = 1 << fields["cluster_bits"]
    assert inspection.virtual_size == fields["size"]
    assert inspection.virtual_size <= fields["l1_entries"] * cluster * cluster // 8
    assert fields["l1_offset"] + 8 * fields["l1_entries"] <= 0x40000


@settings(max_examples=200, deadline=None)
@given(start=st.binary(min_size=1, max_size=300), size=st.integers(0x8006, 0x9000))
def test_a_cd_image_hides_no_other_format(tmp_path_factory, start, size):
    path = tmp_path_factory.getbasetemp() / "cd"
    content = bytearray(start.ljust(size, b"\0"))
    content[0x8001:0x8006] = b"CD001"
    path.write_bytes(content)
    expected = detect_format(bytes(content))

    if expected == "iso":
        assert inspect_file(path, "iso").virtual_size == size
    else:
        with pytest.raises(WrongContent):
            inspect_file(path, "iso")
    assert expected != "raw"
