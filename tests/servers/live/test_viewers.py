"""Each viewer at its own pace, and what is shown a second time."""

import asyncio

import pytest

from servers.live.viewers import Viewer, is_answer, without_questions


def test_what_was_put_is_taken_at_once():
    viewer = Viewer(100)
    viewer.put(b"one ")
    viewer.put(b"two")

    assert asyncio.run(viewer.take()) == b"one two"


def test_a_viewer_far_behind_gets_the_newest_and_a_word_about_the_rest():
    viewer = Viewer(4)
    viewer.put(b"0123")
    viewer.put(b"4567")

    taken = asyncio.run(viewer.take())

    assert taken.endswith(b"]\r\n4567")
    assert b"4 bytes left out" in taken


def test_the_rest_comes_before_the_end():
    async def play():
        viewer = Viewer(100)
        viewer.put(b"last words")
        viewer.end("over")
        viewer.end("later")
        return await viewer.take(), await viewer.take(), viewer.ending

    assert asyncio.run(play()) == (b"last words", b"", "over")


def test_who_waits_is_woken():
    async def play():
        viewer = Viewer(100)
        waiting = asyncio.create_task(viewer.take())
        await asyncio.sleep(0)
        viewer.put(b"now")
        return await waiting

    assert asyncio.run(play()) == b"now"


def test_questions_of_the_guest_are_not_asked_twice():
    shown = b"\x1b[2J$ \x1b[6n\x1b[0c\x1b[>c\x05ls\x1b[31m"

    assert without_questions(shown) == b"\x1b[2J$ ls\x1b[31m"


@pytest.mark.parametrize(
    ("keys", "answers"),
    [(b"\x1b[24;80R", True), (b"\x1b[?1;2c", True), (b"R", False), (b"\x1b[A", False)],
)  # fmt: skip
def test_an_answer_of_a_terminal_is_told_from_typing(keys, answers):
    assert is_answer(keys) is answers
