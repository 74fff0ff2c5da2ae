"""The provider's pages have the look of the product."""

import re
from pathlib import Path

import pytest

from chalicelib.oauth.pages import look

ROOT = Path(__file__).resolve().parents[4]
BASE = (ROOT / "web/css/base.css").read_text()
CONTRAST = (ROOT / "web/css/contrast.css").read_text()
SIGN_IN_PAGE = (ROOT / "chalicelib/oauth/pages/page.css").read_text()


MODES = ["light", "dark", "light with more contrast", "dark with more contrast"]


def variables(text: str) -> dict[str, str]:
    return dict(re.findall(r"(--[\w-]+): (.*?);", text))


def colours(text: str) -> list[dict[str, str]]:
    """The variables in each of `MODES`."""
    light, dark, more, more_dark = map(variables, re.findall(r":root \{(.*?)\}", text, re.DOTALL))
    return [light, light | dark, light | more, light | dark | more | more_dark]


def colours_of_client() -> list[dict[str, str]]:
    """The same for the web client, which names the colours of day and night together."""
    colour = r"(#\w+|\w+|rgb\(.*?\))"
    more = re.findall(r":root \{(.*?)\}", CONTRAST, re.DOTALL)[0]
    return [
        {
            name: re.sub(rf"light-dark\({colour}, {colour}\)", day, named.get(value[4:-1], value))
            for name, value in named.items()
        }
        for named in (variables(BASE), variables(BASE) | variables(more))
        for day in (r"\1", r"\2")
    ]


def brightness(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    bright, dim = sorted([brightness(one), brightness(other)], reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def test_the_colours_are_those_of_the_web_client() -> None:
    for ours, theirs in zip(colours(SIGN_IN_PAGE), colours_of_client(), strict=True):
        assert ours.items() <= theirs.items()


@pytest.mark.parametrize("number", range(4), ids=MODES)
@pytest.mark.parametrize(
    ("ink", "paper", "least"),
    [
        ("--ink", "--side", 4.5),
        ("--ink", "--card", 4.5),
        ("--ink", "--hover", 4.5),
        ("--soft", "--side", 4.5),
        ("--brand-strong", "--side", 4.5),
        ("--on-brand", "--brand", 4.5),
        ("--on-brand", "--brand-strong", 4.5),
        ("--danger", "--side", 4.5),
        ("--danger", "--danger-bg", 4.5),
        ("--soft", "--card", 3),
        ("--brand", "--side", 3),
    ],
)
def test_every_colour_has_enough_contrast(number: int, ink: str, paper: str, least: float) -> None:
    """4.5 for text, 3 for borders of fields and for the focus (WCAG 2.2, 1.4.3 and 1.4.11); 7 for
    text if the user prefers more contrast (1.4.6)."""
    colour = colours(SIGN_IN_PAGE)[number]
    if "more" in MODES[number] and least == 4.5:
        least = 7

    assert contrast(colour[ink], colour[paper]) >= least


def test_the_logo_is_that_of_the_product() -> None:
    page = look.frame("Title", "")

    for path in re.findall(r'fill="#\w+"', (ROOT / "web/logo.svg").read_text()):
        assert path in page


def test_only_a_page_with_the_script_may_run_it() -> None:
    plain = look.headers("https://program.example/back")["Content-Security-Policy"]
    scripted = look.headers(script=True)["Content-Security-Policy"]

    assert "script-src" not in plain
    assert "connect-src" not in plain
    assert "script-src 'sha256-" in scripted
    assert "unsafe" not in plain + scripted
    assert "form-action 'self' https:;" in plain


def test_titles_and_problems_are_escaped() -> None:
    page = look.frame("<b>", "", problem="<i>")

    assert "<b>" not in page
    assert "<i>" not in page
