"""Finds the route of a path as API Gateway does: fixed segments win over parameters."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote


@dataclass
class _Node:
    fixed: dict[str, "_Node"] = field(default_factory=dict)
    parameter: "_Node | None" = None
    template: str | None = None


class Router:
    """Path templates with `{name}` segments."""

    def __init__(self, templates: Iterable[str]) -> None:
        self._root = _Node()
        for template in templates:
            node = self._root
            for segment in _segments(template):
                if segment.startswith("{"):
                    node.parameter = node = node.parameter or _Node()
                else:
                    node = node.fixed.setdefault(segment, _Node())
            node.template = template

    def match(self, path: str) -> tuple[str, dict[str, str]] | None:
        """The template of a path, and its parameters, decoded; None if there is none."""
        segments = _segments(path)
        template = _find(self._root, segments, 0)
        if template is None:
            return None
        parameters = {
            name[1:-1]: unquote(value)
            for name, value in zip(_segments(template), segments, strict=True)
            if name.startswith("{")
        }
        return template, parameters


def _find(node: _Node, segments: list[str], depth: int) -> str | None:
    if depth == len(segments):
        return node.template
    fixed = node.fixed.get(unquote(segments[depth]))
    if fixed is not None and (found := _find(fixed, segments, depth + 1)) is not None:
        return found
    if node.parameter is not None and segments[depth]:
        return _find(node.parameter, segments, depth + 1)
    return None


def _segments(path: str) -> list[str]:
    trimmed = path.strip("/")
    return trimmed.split("/") if trimmed else []
