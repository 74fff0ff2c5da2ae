"""A server whose URL was given. The local cloud neither starts nor stops it."""

from local.servers.answers import NoAnswer, wait_for_answer
from local.servers.embedded import Embedded, ServerUnavailable, without_password

ANSWERS_WITHIN = 10.0


class Given:
    """Like the other servers, but `start` only checks that the server answers."""

    pid = None

    def __init__(self, kind: type[Embedded], url: str, *, variable: str = "") -> None:
        self.name = kind.name
        self.variable = variable or kind.variable
        self.url = url
        self._check = kind.check

    def start(self) -> None:
        """Return when it answers. Raises ServerUnavailable."""
        try:
            wait_for_answer(lambda: self._check(self.url), within=ANSWERS_WITHIN, pause=0.2)
        except NoAnswer as silence:
            place = without_password(self.url)
            raise ServerUnavailable(
                f"{self.name} does not answer at {place}, which {self.variable} names "
                f"({type(silence.reason).__name__}). Start it, or unset {self.variable}."
            ) from silence.reason

    def stop(self) -> None:
        """Leave it running."""

    def restart(self) -> None:
        raise ServerUnavailable(f"{self.name} was given by {self.variable}: not ours to restart.")
