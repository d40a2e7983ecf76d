"""The first network avoids what the machine routes already."""

from cloudportal.free_range import free_range

HEADER = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"


def table(tmp_path, *routes):
    path = tmp_path / "route"
    lines = [f"eth0 {to} 00000000 0001 0 0 0 {mask} 0 0 0\n" for to, mask in routes]
    path.write_text(HEADER + "".join(lines))
    return path


def test_the_usual_range_is_taken_when_it_is_free(tmp_path):
    default = ("00000000", "00000000")

    assert free_range(table(tmp_path, default)) == "10.77.0.0/24"


def test_a_range_that_is_routed_is_passed_over(tmp_path):
    # 10.77.0.0/24 and 10.78.0.0/16
    routes = table(tmp_path, ("00004D0A", "00FFFFFF"), ("00004E0A", "0000FFFF"))

    assert free_range(routes) == "10.79.0.0/24"


def test_a_machine_without_the_table_gets_the_usual_range(tmp_path):
    assert free_range(tmp_path / "none") == "10.77.0.0/24"
