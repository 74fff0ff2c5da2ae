"""What a package is made for: a Lambda architecture and runtime, and the wheels that fit them."""

from dataclasses import dataclass

MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
"""Lambda's name of an architecture, and that of wheels."""

GLIBC_MINORS = {"3.11": 26, "3.12": 34, "3.13": 34}
"""Python 3.11 runs on Amazon Linux 2, later ones on Amazon Linux 2023."""

_OLDEST_MINOR = 5  # manylinux1
_IMPOSSIBLE = {
    ("arm64", "3.11"): (
        "psycopg-binary has no wheel for arm64 that works with the glibc 2.26 of Lambda's "
        "python3.11. Take python3.12 or python3.13, or the architecture x86_64."
    )
}


class TargetRefused(Exception):
    """No package can be made for this architecture and Python; the text says what can."""


@dataclass(frozen=True)
class Target:
    """One architecture and one Python version, such as `arm64` and `3.13`."""

    architecture: str
    python: str

    @classmethod
    def of(cls, architecture: str, python: str) -> "Target":
        """Takes the version with or without the word `python`. Raises TargetRefused."""
        version = python.removeprefix("python")
        if architecture not in MACHINES:
            raise TargetRefused(f"Lambda has arm64 and x86_64, and no {architecture}.")
        if version not in GLIBC_MINORS:
            raise TargetRefused(f"Parley runs on Python 3.11, 3.12 and 3.13, not on {version}.")
        if reason := _IMPOSSIBLE.get((architecture, version)):
            raise TargetRefused(reason)
        return cls(architecture, version)

    @property
    def runtime(self) -> str:
        """Lambda's name of the Python version."""
        return f"python{self.python}"

    @property
    def abi(self) -> str:
        return f"cp{self.python.replace('.', '')}"

    @property
    def cache_tag(self) -> str:
        """What names of bytecode files carry."""
        return f"cpython-{self.python.replace('.', '')}"

    @property
    def platforms(self) -> list[str]:
        """The platform tags of wheels that can be loaded there, best first.

        pip takes each tag literally: an older glibc than the runtime's must be named, too.
        """
        machine = MACHINES[self.architecture]
        newest = GLIBC_MINORS[self.python]
        tags = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, _OLDEST_MINOR - 1, -1)]
        return [*tags, f"manylinux2014_{machine}"]
