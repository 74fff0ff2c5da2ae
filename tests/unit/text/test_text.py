"""What of a text is seen, and where it is cut."""

import random
import unicodedata

import pytest
import regex  # type: ignore[import-untyped]

from chalicelib.text.characters import ELLIPSIS, PILE, cut, hides, printable, shown, visible

FAMILY = "👨🏻\u200d👩🏻\u200d👧🏻\u200d👦🏻"
WALES = "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"
UNSEEN = [
    "",
    " \t\r\n",
    "\u00a0\u2003\u3000\u2028\u2029",
    "\u200b",
    "\u2060",
    "\u200e",
    "\u3164",
    "\u115f\u1160\uffa0",
    "\u2800",
    "\u00ad",
    "\ufe0f",
    "\u202e",
    "\u0301",
    "\u034f",
    "\u180e",
    "\u2065",
    "\ufff0",
    "\U000e0001",
    "\U000e0fff",
    "\U0001d159",
    "\ufffc",
    "\ue000",
    "\U0010fffd",
    "\ufdd0",
    "\U0001ffff",
    "\u200b \u3164\u0301\ufe0f",
]
SEEN = ["a", "7", "!", "👍", "❤\ufe0f", "1\ufe0f\u20e3", FAMILY, WALES, "🇩🇪", "각", "e\u0301", "€"]


@pytest.mark.parametrize("text", UNSEEN, ids=ascii)
def test_nobody_sees_anything(text: str) -> None:
    assert not visible(text)


@pytest.mark.parametrize("text", SEEN, ids=ascii)
def test_one_visible_character_is_enough(text: str) -> None:
    assert visible(text)
    assert visible(f"\u200b{text}\u3164")


def test_characters_that_python_does_not_know_yet_are_visible() -> None:
    assert unicodedata.category("\U0001faef") == "Cn"
    assert visible("\U0001faef")


@pytest.mark.parametrize("text", ["a\x00", "a\x0bb", "\x7f", "\x9b", "a\ufffe", "\U0010ffff"])
def test_controls_and_noncharacters_are_not_printable(text: str) -> None:
    assert not printable(text)


def test_tabs_line_breaks_and_private_use_are_printable() -> None:
    assert printable("a\tb\r\nc\uf8ff")


@pytest.mark.parametrize(
    "char",
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
    "\u200b\u2060\ufeff\u00ad\u034f\u3164\u2800\uffa0\ufffc\U000e0001"
    "\n\t\x0b\x00\x85\u2028\u2029\ue000\ufdd0\uffff",
    ids=ascii,
)
def test_a_name_must_not_have_hidden_characters(char: str) -> None:
    assert hides(f"A{char}a")


@pytest.mark.parametrize(
    "text",
    [
        *("Ana\u200d", "\u200cAna", "A\u200dna", "А\u200cнна", "A\U000e0061\U000e0062"),
        *("دنیا\u200c\u200cها", "👍\U000e0067"),
    ],
    ids=ascii,
)
def test_a_name_must_not_have_joiners_without_letters(text: str) -> None:
    assert hides(text)


@pytest.mark.parametrize("text", ["Ana Ñ", "דוד", "دنیا\u200cها", FAMILY, WALES, "葛\U000e0100"])
def test_joiners_of_letters_and_emoji_are_allowed(text: str) -> None:
    assert not hides(text)


def test_a_text_on_one_line() -> None:
    assert shown(" a \n\n\u3000b\u2800c\u200bd\u202e\x00e ") == "a b cde"
    assert shown(f"{FAMILY} {WALES}") == f"{FAMILY} {WALES}"


def test_what_fits_stays_as_it_is() -> None:
    assert cut("x" * 120, 120) == "x" * 120
    assert cut("x" * 119 + "é", 120) == "x" * 119 + "é"


@pytest.mark.parametrize("last", ["👍🏽", "🇩🇪", FAMILY, WALES, "क्षि", "각", "e\u0301\u0301"])
def test_no_cluster_is_cut_in_two(last: str) -> None:
    for before in range(100, 121):
        found = cut("x" * before + last + "y" * 99, 120)

        assert len(found) <= 120
        assert found.endswith(ELLIPSIS)
        kept = found.removesuffix(ELLIPSIS).lstrip("x").rstrip("y")
        assert kept in ("", last)


def test_flags_are_cut_in_pairs() -> None:
    assert cut("🇩🇪" * 99, 10) == "🇩🇪" * 4 + ELLIPSIS
    assert cut("x" + "🇩🇪" * 99, 10) == "x" + "🇩🇪" * 4 + ELLIPSIS


def test_no_space_is_left_before_the_ellipsis() -> None:
    assert cut("abc defgh", 5) == "abc…"


def test_a_pile_of_marks_stays_small() -> None:
    found = cut("e" + "\u0301" * 5000 + "tail", 120)

    assert found == "e" + "\u0301" * (PILE - 1) + "tail"
    assert len(cut("e" * 200 + "\u0301" * 5000, 120)) == 120


def test_the_size_may_be_counted_otherwise() -> None:
    found = cut("é" * 99, 20, size=lambda text: len(text.encode()))

    assert found == "é" * 8 + ELLIPSIS


def test_names_are_cut_without_an_ellipsis() -> None:
    assert cut("x" * 63 + "👍🏽", 64, end="") == "x" * 63


def test_each_cut_is_where_unicode_allows_one() -> None:
    """By another's reading of UAX #29: our rules may allow fewer cuts than it, and never more."""
    pool = list(
        "ab \r\n\u0301\u200d\u200c\ufe0f\u0e33👍🏽🇩🇪👨❤🏴\U000e0067\u0915\u094d\u093f\u20e3"
    )
    pool += list("\u1100\u1161\u11a8가각\u0600\u0d4e\u0bbf\u05d0\u30ab\uff9e\U00011a3a")
    chosen = random.Random(29)
    for _ in range(5_000):
        text = "".join(chosen.choices(pool, k=chosen.randint(2, 12)))
        allowed = {match.end() for match in regex.finditer(r"\X", text)}
        for limit in range(1, len(text)):
            assert len(cut(text, limit, end="").rstrip()) in {
                0,
                *(len(text[:place].rstrip()) for place in allowed),
            }, ascii(text)


def test_each_known_character_stays_with_what_it_belongs_to() -> None:
    for number in (*range(0xAC00), *range(0xD7A4, 0x20000), *range(0xE0000, 0xE0200)):
        char = chr(number)
        plain = regex.match(r"\p{Grapheme_Cluster_Break=Other}|\p{Co}|\p{Cs}", char)
        if plain or unicodedata.category(char) == "Cn":
            continue
        for beside in ("a", "👍", "\u200d", "\u1100", "각"):
            for text in (beside + char, char + beside):
                if len(regex.findall(r"\X", text)) == 1:
                    assert cut(text, 1, end="\x00") == "\x00", ascii(text)
