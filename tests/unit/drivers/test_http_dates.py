"""How long another server asks to wait."""

import pytest

from chalicelib.drivers.http_connection import LONGEST_WAIT, Answer

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("-7", 0),
        ("1e3", 0),
        ("\u0667", 0),
        ("9" * 5000, LONGEST_WAIT),
        ("Sun, 06 Nov 1994 08:50:07 GMT", 30),
        ("Sunday, 06-Nov-94 08:50:07 GMT", 30),
        ("Sun Nov  6 08:50:07 1994", 30),
        ("Sun, 06 Nov 1994 08:50:07 -0000", 30),
        ("Sun, 06 Nov 1994 08:49:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Fri, 31 Dec 99999 23:59:59 GMT", 0),
        ("Sun, 06 Nov 1994 08:50:07 +99999999", 0),
        ("Sun, 99 Nov 1994 99:99:99 GMT", 0),
        ("soon", 0),
        ("", 0),
    ],
    ids=range(19),
)
def test_is_read_as_seconds_or_as_a_time_of_its_own_clock(said: str, seconds: int) -> None:
    assert Answer(503, b"", {"retry-after": said, "date": DATE}).retry_after == seconds


def test_without_its_clock_ours_counts() -> None:
    for date in ("", "soon"):
        far = {"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT", "date": date}
        past = {"retry-after": DATE, "date": date}
        assert Answer(503, b"", far).retry_after == LONGEST_WAIT
        assert Answer(503, b"", past).retry_after == 0


def test_nothing_said_is_no_wait() -> None:
    assert Answer(503, b"", {}).retry_after == 0
