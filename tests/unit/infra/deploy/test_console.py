"""Steps and questions."""

import pytest

from infra.deploy.errors import Stopped
from tests.unit.infra.fakes import Terminal


def fail() -> str:
    raise Stopped("No such thing.")


def test_steps_are_shown_with_their_outcome() -> None:
    terminal = Terminal()

    terminal.run([("look", lambda: "unchanged"), ("leap", lambda: "done")])

    assert terminal.printed.splitlines() == [
        "  [ 1/2] look ...",
        "  [ 1/2] look: unchanged, 0 s",
        "  [ 2/2] leap ...",
        "  [ 2/2] leap: done, 0 s",
    ]


def test_the_first_failure_ends_it_and_tells_what_was_not_done() -> None:
    terminal = Terminal()

    with pytest.raises(Stopped, match="No such thing"):
        terminal.run([("look", fail), ("leap", lambda: "done"), ("land", lambda: "done")])

    assert "[ 1/3] look: failed after 0 s" in terminal.printed
    assert "not done: leap, land" in terminal.printed
    assert "leap ..." not in terminal.printed


def test_the_same_progress_is_shown_once() -> None:
    terminal = Terminal()

    for text in ("1 of 2", "1 of 2", "2 of 2"):
        terminal.progress(text)

    assert terminal.printed.split() == ["1", "of", "2", "2", "of", "2"]


@pytest.mark.parametrize("answer", ["", "y", "yes", "Destroy prod", "destroy dev"])
def test_only_the_very_word_confirms(answer: str) -> None:
    with pytest.raises(Stopped, match="Not confirmed"):
        Terminal(answer).confirm("Sure?", word="destroy prod")

    Terminal("destroy prod\n").confirm("Sure?", word="destroy prod")


def test_where_nobody_can_answer_nothing_is_confirmed() -> None:
    with pytest.raises(Stopped, match="in a terminal"):
        Terminal().confirm("Sure?")
