"""Steps with their state and duration, and questions to the operator."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

from infra.deploy.errors import Stopped


class Console:
    """Prints the progress, and asks before an act that cannot be undone."""

    def __init__(
        self,
        stream: TextIO | None = None,
        ask: Callable[[str], str] = input,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream or sys.stdout
        self._ask = ask
        self._clock = clock
        self._said = ""

    def say(self, text: str = "") -> None:
        """Print a line as it is."""
        print(text, file=self._stream, flush=True)

    def progress(self, text: str) -> None:
        """Print the progress of a step, but not the same text twice in a row."""
        if text != self._said:
            self._said = text
            self.say(f"          {text}")

    def run(self, steps: "list[tuple[str, Callable[[], str]]]") -> None:
        """Run steps in turn; each returns its result as text. The first failure ends the run."""
        for number, (name, step) in enumerate(steps, start=1):
            title = f"  [{number:2}/{len(steps)}] {name}"
            self._said = ""
            self.say(f"{title} ...")
            started = self._clock()
            try:
                outcome = step()
            except BaseException as error:
                failed = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
                self.say(f"{title}: {failed} after {self._clock() - started:.0f} s")
                if left := [each for each, _ in steps[number:]]:
                    self.say(f"          not done: {', '.join(left)}")
                raise
            self.say(f"{title}: {outcome}, {self._clock() - started:.0f} s")

    def confirm(self, question: str, *, word: str = "yes") -> None:
        """Continue only if the operator types the word. Raises Stopped otherwise."""
        try:
            answer = self._ask(f"{question}\n  Type {word!r} to go on: ")
        except EOFError:
            raise Stopped("This command asks a question. Run it in a terminal.") from None
        if answer.strip() != word:
            raise Stopped("Not confirmed: nothing of this was done.")
