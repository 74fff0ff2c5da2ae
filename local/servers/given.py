"""A server whose URL was given: not ours to start or to stop."""

import time

from local.servers.embedded import Embedded, ServerUnavailable, without_password

ANSWERS_WITHIN = 10.0


class Given:
    """Looks like the others, and only checks that somebody answers."""

    pid = None

    def __init__(self, kind: type[Embedded], url: str, *, variable: str = "") -> None:
        self.name = kind.name
        self.variable = variable or kind.variable
        self.url = url
        self._check = kind.check

    def start(self) -> None:
        """Return when it answers. Raises ServerUnavailable."""
        deadline = time.monotonic() + ANSWERS_WITHIN
        while True:
            try:
                self._check(self.url)
                return
            except Exception as error:
                if time.monotonic() > deadline:
                    place = without_password(self.url)
                    raise ServerUnavailable(
                        f"{self.name} does not answer at {place}, which {self.variable} names "
                        f"({type(error).__name__}). Start it, or unset {self.variable}."
                    ) from error
            time.sleep(0.2)

    def stop(self) -> None:
        """Leave it running."""

    def restart(self) -> None:
        raise ServerUnavailable(f"{self.name} was given by {self.variable}: not ours to restart.")
