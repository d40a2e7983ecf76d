"""Nodes go into cells that have what they ask for, and no CPU or page is given twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypervisors.numa import HostCell, NumaPlacement
from scheduling.filters.numa_fit import HostRoom, fit, obstacle
from tests.scheduling.two_cells import CELLS, MIB_PER_GIB, pinned, request


def room(*held: NumaPlacement, **fields) -> HostRoom:
    return HostRoom(CELLS, tuple(held), **fields)


def placed(asked, *held, **fields) -> NumaPlacement:
    found = fit(asked, room(*held, **fields))
    assert found is not None
    return found


def test_each_node_has_a_cell_of_its_own():
    found = placed(pinned(4, nodes=2))

    assert [node.cell for node in found.nodes] == [0, 1]
    assert [node.cpus for node in found.nodes] == [(0, 8), (4, 12)]


def test_more_nodes_than_cells_do_not_fit():
    assert fit(request(3, nodes=3), room()) is None


def test_a_host_that_tells_of_no_cells_takes_no_nodes():
    assert fit(request(), HostRoom(())) is None


def test_a_node_goes_where_most_is_free():
    first = placed(pinned(2))

    assert [node.cell for node in placed(pinned(2), first).nodes] == [1]


def test_nodes_of_different_size_find_the_cells_that_suit_them():
    """The first node fits into both cells, the second into one alone."""
    other = placed(pinned(6))
    asked = pinned(8, nodes=1)
    wide = asked.nodes[0]
    narrow = pinned(1).nodes[0]
    both = type(asked)((narrow, wide), is_dedicated=True)

    found = placed(both, other)

    assert [node.cell for node in found.nodes] == [0, 1]


def test_threads_of_a_core_go_together():
    assert placed(pinned(4)).nodes[0].cpus == (0, 8, 1, 9)


def test_what_is_left_of_a_core_is_used_before_a_whole_one():
    odd = placed(pinned(7))
    other = placed(pinned(8), odd)

    assert placed(pinned(1), odd, other).nodes[0].cpus == (11,)


def test_isolated_cpus_have_their_cores_for_themselves():
    found = placed(pinned(3, thread_policy="isolate"))

    assert (found.nodes[0].cpus, found.nodes[0].idle) == ((0, 1, 2), (8, 9, 10))
    rest = placed(pinned(8), found)
    assert rest.nodes[0].cell == 1
    assert fit(pinned(3), room(found, rest)) is None
    assert fit(pinned(5, thread_policy="isolate"), room()) is None


def test_required_threads_are_not_found_on_cores_without_them():
    plain = HostCell(0, 4096, ((0,), (1,), (2,)), {4: 1024**2})

    assert fit(pinned(2, thread_policy="require"), HostRoom((plain,))) is None
    assert placed(pinned(2, thread_policy="require")).nodes[0].cpus == (0, 8)


def test_dedicated_and_shared_cpus_never_meet():
    floating = placed(request(2))

    assert floating.nodes[0].cpus == CELLS[0].cpus
    assert placed(pinned(2), floating).nodes[0].cell == 1
    owned = placed(pinned(4), floating)
    assert fit(pinned(8), room(floating, owned)) is None
    rest = placed(pinned(8), owned)
    assert set(placed(request(2), owned, rest).nodes[0].cpus) == {6, 7, 14, 15}


def test_shared_cpus_are_given_as_often_as_the_host_allows():
    taken = [placed(request(8))]
    taken.append(placed(request(8), *taken))

    assert fit(request(1), room(*taken)) is None
    assert fit(request(8), room(*taken, cpu_ratio=2.0)) is not None
    assert fit(request(9), room(cpu_ratio=4.0)) is None


@pytest.mark.parametrize(
    ("page_size", "page_kib", "is_huge"),
    [
        (None, None, False),
        ("small", 4, False),
        ("large", 2048, True),
        ("any", 2048, True),
        (4, 4, False),
        (2048, 2048, True),
    ],
)
def test_memory_is_in_the_pages_that_were_asked_for(page_size, page_kib, is_huge):
    found = placed(request(page_size=page_size))

    assert (found.page_kib, found.has_huge_pages) == (page_kib, is_huge)


def test_pages_run_out():
    most = placed(request(ram_mib=2048, page_size="large"))
    other = placed(request(ram_mib=2048, page_size="large"), most)

    assert fit(request(ram_mib=2, page_size="large"), room(most, other)) is None
    assert placed(request(ram_mib=2, page_size="any"), most, other).page_kib == 4
    assert fit(request(ram_mib=2, page_size=8192), room()) is None
    assert fit(request(ram_mib=3, page_size=2048), room()) is None


def test_ordinary_memory_is_what_is_not_set_aside_and_may_be_overcommitted():
    six = 6 * MIB_PER_GIB

    assert fit(request(ram_mib=six + 1), room()) is None
    one = placed(request(ram_mib=six))
    two = placed(request(ram_mib=six), one)
    assert fit(request(ram_mib=4), room(one, two)) is None
    assert fit(request(ram_mib=4), room(one, two, ram_ratio=1.5)) is not None
    # Pages that are counted are there or they are not.
    assert fit(request(ram_mib=4, page_size="small"), room(one, two, ram_ratio=1.5)) is None


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (pinned(3, nodes=3), "It has 2 NUMA cells for 3 nodes."),
        (request(page_size=8192), "It has no memory pages of the size 8192."),
        (request(ram_mib=7000), "None of its cells has 7000 MiB free for node 0."),
        (
            request(ram_mib=4096, page_size="large"),
            "None of its cells has 4096 MiB free for node 0 in pages of the size large.",
        ),
        (
            pinned(5, thread_policy="isolate"),
            "None of its cells has 5 processors free for node 0 (dedicated, isolate).",
        ),
        (request(9), "None of its cells has 9 processors free for node 0 (shared)."),
        (
            pinned(10, nodes=2),
            "Its cells have room for each of the nodes, but not for all of them at once.",
        ),
        (pinned(4), ""),
    ],
)
def test_why_a_host_does_not_take_the_nodes_is_said_in_words(asked, words):
    other = placed(pinned(4))

    assert obstacle(asked, room(other)) == words


REQUESTS = st.builds(
    request,
    vcpus=st.integers(1, 8).map(lambda half: 2 * half),
    nodes=st.integers(1, 2),
    ram_mib=st.sampled_from([64, 512, 2048, 6144]),
    is_dedicated=st.booleans(),
    page_size=st.sampled_from([None, "small", "large", "any", 2048, 4]),
    thread_policy=st.sampled_from(["prefer", "isolate", "require"]),
)


@given(st.lists(st.tuples(REQUESTS, st.booleans()), max_size=12))
def test_however_servers_come_and_go_nothing_is_given_twice(arrivals):
    held: list[NumaPlacement] = []
    for asked, is_first_to_go in arrivals:
        found = fit(asked, room(*held, cpu_ratio=1.0))
        if found is not None:
            held.append(found)
        if is_first_to_go and held:
            held.pop(0)
        _check(held)


def _check(held: list[NumaPlacement]) -> None:
    owned: list[int] = []
    floated: set[int] = set()
    for placement in held:
        assert len({node.cell for node in placement.nodes}) == len(placement.nodes)
        for node in placement.nodes:
            assert {*node.cpus, *node.idle} <= set(CELLS[node.cell].cpus)
            if placement.request.is_dedicated:
                assert len(node.cpus) == len(node.vcpus)
                owned += [*node.cpus, *node.idle]
            else:
                floated |= set(node.cpus)
    assert len(owned) == len(set(owned))
    assert not floated & set(owned)
    for cell in CELLS:
        here = [(p, n) for p in held for n in p.nodes if n.cell == cell.id]
        huge = sum(n.ram_mib for p, n in here if p.has_huge_pages)
        plain = sum(n.ram_mib for p, n in here if not p.has_huge_pages)
        assert huge <= 2 * MIB_PER_GIB
        assert plain <= 6 * MIB_PER_GIB
