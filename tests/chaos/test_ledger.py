"""The ledger names every promise that was not kept, and nothing else."""

import pytest

from chaos.ledger import Ledger

HOST = "x-host-1"


def server(server_id="a", *, name="t1-1", status="ACTIVE", task=None, fault=None):
    shown = {
        "id": server_id,
        "name": name,
        "status": status,
        "OS-EXT-STS:task_state": task,
        "OS-EXT-SRV-ATTR:host": HOST,
    }
    return {**shown, "fault": {"message": fault}} if fault else shown


@pytest.fixture
def ledger():
    ledger = Ledger()
    ledger.created("a", "t1-1", 1)
    return ledger


def test_a_server_that_was_promised_and_is_there_is_well(ledger):
    assert ledger.findings([server()], set()) == []


def test_a_server_that_nobody_deleted_and_is_gone_is_lost(ledger):
    assert ledger.findings([], set()) == ["t1-1 (a) is lost"]


@pytest.mark.parametrize("known", [True, False])
def test_a_deleted_server_may_be_gone(ledger, known):
    ledger.deleting("a", known=known)

    assert ledger.findings([], set()) == []


def test_a_server_whose_delete_was_promised_must_be_gone(ledger):
    ledger.deleting("a", known=True)

    assert ledger.findings([server()], set()) == ["t1-1 (a) was deleted and is ACTIVE"]


def test_a_server_whose_delete_got_no_answer_may_be_there(ledger):
    ledger.deleting("a", known=False)

    assert ledger.findings([server()], set()) == []


def test_a_task_at_the_end_is_stuck(ledger):
    found = ledger.findings([server(status="BUILD", task="spawning")], set())

    assert found == ["t1-1 (a) is stuck: BUILD, spawning"]


def test_an_error_needs_its_reason(ledger):
    assert ledger.findings([server(status="ERROR", fault="No host.")], set()) == []
    assert ledger.findings([server(status="ERROR")], set()) == [
        "t1-1 (a) is ERROR without a reason"
    ]


def test_off_is_right_only_if_somebody_asked_or_the_host_lost_its_power(ledger):
    off = [server(status="SHUTOFF")]

    assert ledger.findings(off, set()) == ["t1-1 (a) is SHUTOFF, and nobody asked for it"]
    assert ledger.findings(off, {HOST}) == []
    ledger.power("a", "stop", known=False)
    assert ledger.findings(off, set()) == []
    ledger.power("a", "start", known=True)
    assert ledger.findings(off, set()) == ["t1-1 (a) is SHUTOFF, and nobody asked for it"]


def test_each_of_several_promised_servers_must_have_been_seen():
    ledger = Ledger()
    ledger.created("a", "t1-1", 2)
    first = server(name="t1-1-1")

    assert ledger.findings([first], set()) == ["t1-1-2 was promised and never seen"]
    assert ledger.findings([first, server("b", name="t1-1-2")], set()) == []


def test_several_that_were_seen_once_and_deleted_are_no_loss():
    ledger = Ledger()
    ledger.created("a", "t1-1", 2)
    ledger.seen("b", "t1-1-2")
    ledger.deleting("b", known=True)

    assert ledger.findings([server(name="t1-1-1")], set()) == []


def test_a_server_of_a_request_without_answer_may_be_there():
    ledger = Ledger()
    ledger.create_unknown("t1-1")

    assert ledger.findings([server()], set()) == []


def test_a_server_that_nobody_asked_for_is_found(ledger):
    stranger = server("b", name="t1-9")

    found = ledger.findings([server(), stranger], set())

    assert found == ["t1-9 is there, and nobody asked for it"]


def test_a_request_that_was_carried_out_twice_is_found(ledger):
    found = ledger.findings([server(), server("b")], set())

    assert found == ["t1-1 was made 2 times"]


def test_a_renamed_server_keeps_the_name_it_was_asked_for_under(ledger):
    assert ledger.findings([server(name="t1-1-renamed")], set()) == []
