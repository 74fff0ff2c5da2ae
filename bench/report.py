"""The figures as tables for people."""

from collections.abc import Iterable, Sequence
from typing import Any


def render(found: dict[str, Any]) -> str:
    """All tables of one run."""
    parts = [_machine(found)]
    for store in found["stores"].values():
        parts += [
            _heading(store["label"]),
            _sends(store["sends"]),
            _cpu(store["sends"]),
            _fan_out(store["fan_out"]),
            _trips(store["round_trips"]),
        ]
    if found["peers"]:
        parts += [_heading("Other servers, archive in the same PostgreSQL"), *_peers(found)]
    parts += [_heading("Starting"), _imports(found), _first(found["first_events"]), _starts(found)]
    return "\n".join(parts)


def _machine(found: dict[str, Any]) -> str:
    machine = found["machine"]
    before, after = machine["load_average"]
    return (
        f"\n{machine['processor']}, {machine['cores']} cores, Python {machine['python']}; "
        f"{found['settings']['workers']} workers.\n"
        f"Load average before {before}, after {after}. One run, {found['seconds']:.0f} s."
        f"{_disturbance(found)}"
    )


def _disturbance(found: dict[str, Any]) -> str:
    loads = [one for store in found["stores"].values() for one in store["sends"]]
    loads += [one for sends in found["peers"].values() for one in sends]
    most = max(one["disturbance"] for one in loads)
    if most < 0.05:
        return ""
    return f"\nOther programs took up to {most:.0%} of the machine: without them it does better."


def _sends(sends: list[dict[str, Any]]) -> str:
    rows = [
        [
            _load_name(one),
            one["per_second"],
            *_times(one["delivery_ms"]),
            *_times(one["answer_ms"]),
            _proof(one),
        ]
        for one in sends
    ]
    return _table(
        "Sends, socket to socket and stored: a second, and ms to the receiver and to the answer",
        ["pairs", "a second", "p50", "p95", "p99", "answer p50", "p95", "p99", "lost"],
        rows,
    )


def _cpu(sends: list[dict[str, Any]]) -> str:
    columns = list(sends[0]["cpu_ms"])
    rows = [[_load_name(one), *one["cpu_ms"].values()] for one in sends]
    return _table(
        "CPU ms a message; `total` leaves out the load generator and other programs",
        ["pairs", *columns],
        rows,
    )


def _fan_out(fan_out: list[dict[str, Any]]) -> str:
    rows = [
        [
            one["devices"],
            one["first_device_ms"]["p50"],
            *_times(one["last_device_ms"]),
            one["answer_ms"]["p50"],
            _proof(one),
        ]
        for one in fan_out
    ]
    return _table(
        "Fan-out to the devices of one user, ms",
        ["devices", "first p50", "last p50", "p95", "p99", "answer p50", "lost"],
        rows,
    )


def _trips(trips: dict[str, dict[str, int]]) -> str:
    servers = sorted({server for counts in trips.values() for server in counts})
    rows = [
        [operation, *[counts.get(server, 0) or "-" for server in servers]]
        for operation, counts in trips.items()
    ]
    return _table("Round trips, counted on the wire", ["operation", *servers], rows)


def _peers(found: dict[str, Any]) -> list[str]:
    return [
        _table(
            name,
            [
                "pairs",
                "a second",
                "p50",
                "p95",
                "p99",
                "lost",
                *(f"{c} CPU" for c in one["cpu_ms"]),
            ],
            [
                [
                    _load_name(one),
                    one["per_second"],
                    *_times(one["delivery_ms"]),
                    one["lost"],
                    *one["cpu_ms"].values(),
                ]
                for one in sends
            ],
        )
        for name, sends in found["peers"].items()
        for one in sends[:1]
    ]


def _imports(found: dict[str, Any]) -> str:
    rows = [
        [module, one["for"], one["ms"], one["cpu_ms"]] for module, one in found["imports"].items()
    ]
    return _table("Imports, ms (median)", ["module", "enters", "ms", "of it CPU"], rows)


def _first(first: dict[str, dict[str, float]]) -> str:
    rows = [[name, *one.values()] for name, one in first.items()]
    return _table("A fresh worker, ms (median)", ["event", "import", "first event", "second"], rows)


def _starts(found: dict[str, Any]) -> str:
    rows = [[name, value] for name, value in found["starts"].items() if value is not None]
    return _table("Starting the local cloud, seconds", ["", "s"], rows)


def _load_name(one: dict[str, Any]) -> str:
    name = str(one["pairs"])
    if one["under_way"] > 1:
        name += f" × {one['under_way']} under way"
    return name + (" acknowledged" if one.get("acknowledged") is not None else "")


def _times(percentiles: dict[str, float | None]) -> list[Any]:
    return ["-" if value is None else value for value in percentiles.values()]


def _proof(one: dict[str, Any]) -> str:
    wrong = one["verified"]["lost"] + one["verified"]["stored_twice"]
    errors = sum(one["errors"].values())
    return f"{wrong}" + (f", {errors} errors" if errors else "")


def _heading(text: str) -> str:
    return f"\n{text}\n{'=' * len(text)}"


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    lines = [
        "  " + "  ".join(_place(cell, width, at) for at, (cell, width) in enumerate(pairs)).rstrip()
        for pairs in (zip(line, widths, strict=True) for line in [columns, *cells])
    ]
    return "\n".join([f"\n{title}", *lines])


def _place(cell: str, width: int, at: int) -> str:
    return cell.ljust(width) if at == 0 else cell.rjust(width)
