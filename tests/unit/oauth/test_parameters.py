"""Parameters are read once each."""

import pytest

from chalicelib.oauth.parameters import one_each


def test_a_parameter_counts_once_and_an_empty_one_not_at_all() -> None:
    assert one_each({"a": ["1"], "b": [""]}) == {"a": "1"}
    with pytest.raises(ValueError, match="once"):
        one_each({"a": ["1", "1"]})
    with pytest.raises(ValueError, match="too long"):
        one_each({"a": ["x" * 4097]})
