"""The fence command: what it may be, how it is run, and that nothing of it is told to anyone."""

import sys
import time

import pytest

from hypervisors.errors import FenceFailed, InvalidFenceCommand
from hypervisors.fence_command import (
    OUTPUT_CHARS,
    Fencing,
    parse_line,
    run_fence_command,
    set_fencing,
    words_of,
)
from hypervisors.models import Hypervisor

SECRET = "hunter2-hunter2"


def python(program, *words):
    return (sys.executable, "-c", program, *words)


def run(hypervisor, *words, **times):
    set_fencing(hypervisor, Fencing(words, **times))
    return run_fence_command(Hypervisor.objects.get(pk=hypervisor.pk))


def test_it_is_kept_sealed_and_its_words_are_given_back(hypervisor):
    words = ("/usr/bin/ipmitool", "-H", "{host}", "-P", SECRET, "a word")

    set_fencing(hypervisor, Fencing(words, timeout_s=30, after_s=60))

    kept = Hypervisor.objects.get(pk=hypervisor.pk)
    assert SECRET not in kept.sealed_fence_command
    assert words_of(kept) == words
    assert (kept.fence_timeout_s, kept.fence_after_s) == (30, 60)
    assert SECRET not in repr(Fencing(words))


def test_no_words_take_it_away(hypervisor):
    set_fencing(hypervisor, Fencing(("/bin/true",)))

    set_fencing(hypervisor, Fencing())

    hypervisor.refresh_from_db()
    assert (hypervisor.sealed_fence_command, words_of(hypervisor)) == ("", ())


def test_places_are_filled_in_and_no_shell_reads_the_words(hypervisor):
    tell = "import sys; print(*sys.argv[1:])"
    Hypervisor.objects.update(hostname="real.lab")
    hypervisor.refresh_from_db()

    said = run(hypervisor, *python(tell, "{host}/{name}/{hostname}", "$HOME;ls", "{", "{uuid}"))

    assert said.split() == ["host1/host1/real.lab", "***", "{", str(hypervisor.uuid)]


def test_its_environment_has_nothing_of_the_portal(hypervisor, monkeypatch):
    monkeypatch.setenv("SECRET_KEY_FILE", "/secret")

    said = run(hypervisor, *python("import os; print(sorted(os.environ))"))

    assert "SECRET_KEY_FILE" not in said
    assert "PATH" in said


def test_a_failure_says_how_and_what_it_printed_but_none_of_its_words(hypervisor):
    tell = "import sys; print('no', sys.argv[1], sys.argv[2][2:]); sys.exit(7)"

    with pytest.raises(FenceFailed) as caught:
        run(hypervisor, *python(tell, SECRET, f"-P{SECRET[::-1]}"))

    assert "ended with status 7: no *** ***." in str(caught.value)
    assert SECRET not in f"{caught.value}{caught.value.detail}"
    assert caught.value.retryable


def test_much_output_is_shortened_and_made_one_printable_line(hypervisor):
    said = run(hypervisor, *python("print('x\\x1b[31m\\n' * 100000)"))

    assert len(said) == OUTPUT_CHARS + 1
    assert said.isprintable()


def test_one_that_takes_too_long_is_ended_with_all_that_it_started(hypervisor):
    endless = "import subprocess; subprocess.run(['sleep', '600'])"
    before = time.monotonic()

    with pytest.raises(FenceFailed, match="did not end within 1 s"):
        run(hypervisor, *python(endless), timeout_s=1)

    assert time.monotonic() - before < 10


def test_what_it_leaves_running_is_not_waited_for(hypervisor):
    leaves = "import subprocess; subprocess.Popen(['sleep', '5'], start_new_session=True)"
    before = time.monotonic()

    run(hypervisor, *python(leaves))

    assert time.monotonic() - before < 4


@pytest.mark.parametrize("words", [("/no/such/program",), ("/etc/passwd",)])
def test_what_cannot_be_run_is_a_failure(hypervisor, words):
    with pytest.raises(FenceFailed, match="is not there, or cannot be run"):
        run(hypervisor, *words)


def test_a_host_without_one_is_not_fenced(hypervisor):
    with pytest.raises(FenceFailed, match="no fence command"):
        run_fence_command(hypervisor)


def test_one_that_was_sealed_under_another_key_is_none(hypervisor, settings):
    set_fencing(hypervisor, Fencing(("/bin/true",)))
    settings.SECRET_KEY = "another"

    with pytest.raises(FenceFailed, match="another signing key"):
        run_fence_command(hypervisor)


@pytest.mark.parametrize(
    ("words", "times", "text"),
    [
        (("ipmitool",), {}, "whole path"),
        (("/bin/true", "{password}"), {}, r"no \{password\}"),
        (("/bin/true", "a\nb"), {}, "cannot be printed"),
        (("/bin/true", "\0"), {}, "cannot be printed"),
        (("/bin/true", "x" * 1025), {}, "at most 64 words"),
        (("/bin/true",) * 65, {}, "at most 64 words"),
        (("/bin/true",), {"timeout_s": 0}, "times"),
        (("/bin/true",), {"timeout_s": 601}, "times"),
        (("/bin/true",), {"after_s": 5}, "times"),
    ],
)
def test_what_cannot_be_one_is_refused(hypervisor, words, times, text):
    with pytest.raises(InvalidFenceCommand, match=text):
        set_fencing(hypervisor, Fencing(words, **times))

    hypervisor.refresh_from_db()
    assert hypervisor.sealed_fence_command == ""


def test_the_portal_s_own_machine_has_none(hypervisor):
    hypervisor.uri = "qemu:///system"

    with pytest.raises(InvalidFenceCommand, match="the machine it runs on"):
        set_fencing(hypervisor, Fencing(("/bin/true",)))


def test_a_line_is_divided_as_by_a_shell_and_no_further():
    assert parse_line("/a 'b c' $HOME *") == ("/a", "b c", "$HOME", "*")
    with pytest.raises(InvalidFenceCommand, match="cannot be read"):
        parse_line("/a 'b")
