"""What harm is planned follows from the seed, and is over when the run is."""

import itertools

import pytest

from chaos.schedule import KILLS, LASTING_S, MOST_AT_ONCE, plan

SEEDS = range(1, 21)


def planned(seed, *, seconds=600.0, has_database=True):
    return plan(seed=seed, seconds=seconds, machines=2, hosts=3, has_database=has_database)


def test_the_same_seed_plans_the_same_harm():
    assert planned(7) == planned(7)
    assert planned(7) != planned(8)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("seconds", [60.0, 600.0])
def test_every_harm_is_over_when_the_run_is(seed, seconds):
    harms = planned(seed, seconds=seconds)

    assert harms
    assert max(harm.until_s for harm in harms) <= seconds
    assert harms == sorted(harms, key=lambda harm: harm.at_s)


@pytest.mark.parametrize("seed", SEEDS)
def test_few_last_at_once_and_a_target_suffers_one_at_a_time(seed):
    lasting = [harm for harm in planned(seed) if harm.lasts_s]

    for harm in lasting:
        going = [each for each in lasting if each.at_s <= harm.at_s < each.until_s]
        assert len(going) <= MOST_AT_ONCE
    on_hosts = [harm for harm in lasting if harm.kind not in {"kill-machine", "stop-database"}]
    for one, other in itertools.combinations(on_hosts, 2):
        if one.target == other.target:
            assert one.until_s <= other.at_s


@pytest.mark.parametrize("seed", SEEDS)
def test_a_long_run_forgets_no_kind(seed):
    assert {harm.kind for harm in planned(seed)} == {*KILLS, *LASTING_S}


def test_without_a_database_of_its_own_none_is_stopped():
    assert "stop-database" not in {harm.kind for harm in planned(1, has_database=False)}


@pytest.mark.parametrize("seed", SEEDS)
def test_targets_are_machines_and_hosts_that_exist(seed):
    harms = planned(seed)

    machines = {harm.target for harm in harms if harm.kind in {*KILLS, "kill-machine"}}
    hosts = {harm.target for harm in harms if harm.kind in {"cut-link", "freeze-host"}}
    assert machines <= {1, 2}
    assert hosts <= {1, 2, 3}
