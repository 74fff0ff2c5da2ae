"""Notes that an invocation has written events into the outbox. `invocation` then publishes them at
its end.

A plain variable is enough: a process handles one invocation at a time, and threads of that
invocation only ever set it. It says when to look, not what to publish. So a note that comes late or
is lost does no harm: the outbox has the events, and the job publishes them.
"""

_written = False


def note() -> None:
    """An event is about to be written. Stores call this before the statement: its answer may be
    lost."""
    global _written
    _written = True


def noted() -> bool:
    """Whether there was a `note` since the last call of this."""
    global _written
    was, _written = _written, False
    return was
