"""The texts of the web client: every language has each of them, and no text stands in the code."""

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import app  # noqa: F401  so that every action and event is known
from chalicelib import errors
from chalicelib.edge.frames import ACTIONS
from chalicelib.live.events import EVENTS
from chalicelib.oauth.scopes import USER_SCOPES
from local.node import NODE
from tests.unit.text.test_sentences import KINDS

WEB = Path("web")
SCRIPTS = {path: path.read_text() for path in sorted((WEB / "js").rglob("*.js"))}
FORM = re.compile(r"(.+)_(zero|one|two|few|many|other)")
PLACE = re.compile(r"\{(\w+)\}")
FAMILIES = ("error.", "kind.", "scope.")
"""Keys that begin so end with what the server answers."""

MADE = re.compile(r"`([a-z]\w*\.(?:\w+\.)*)\$\{")
"""How a key begins that is put together."""

VARIED = {"id_token_invalid"}
"""Codes with more than one sentence: the server's is shown."""

Texts = dict[str, str]


def run(script: str) -> Any:
    """What an expression is in JavaScript, with the modules of the client in `js`."""
    whole = f"""
        globalThis.window = {{}};
        const load = (name) => import(`./web/js/${{name}}.js`);
        const [{{ LANGUAGES, ENGLISH }}, texts, format] =
            await Promise.all(["text/languages", "text/texts", "text/format"].map(load));
        const speak = async (tag, locale) => {{
            const language = LANGUAGES.find((one) => one.tag === tag);
            texts.speak(language, await language.load(), locale ?? tag);
        }};
        console.log(JSON.stringify(await (async () => {{ {script} }})()));"""
    done = subprocess.run(
        [NODE, "--no-warnings", "--input-type=module", "-e", whole],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


@cache
def catalogues() -> dict[str, Any]:
    return dict(
        run("""
            const all = LANGUAGES.map(async ({ tag, name, dir, load }) => [tag, {
                name, dir, texts: await load(),
                forms: new Intl.PluralRules(tag).resolvedOptions().pluralCategories,
            }]);
            return Object.fromEntries(await Promise.all(all));""")
    )


def forms_of(texts: Texts) -> dict[str, dict[str, str]]:
    """The texts by key, each with its plural forms; a text without has the form ""."""
    found: dict[str, dict[str, str]] = {}
    for key, text in texts.items():
        plural = FORM.fullmatch(key)
        name, form = plural.groups() if plural else (key, "")
        found.setdefault(name, {})[form] = text
    return found


ENGLISH: Texts = catalogues()["en"]["texts"]
TAGS = list(catalogues())


@pytest.mark.parametrize("tag", TAGS)
def test_every_language_has_every_text_in_all_its_plural_forms(tag: str) -> None:
    here, english = forms_of(catalogues()[tag]["texts"]), forms_of(ENGLISH)

    assert here.keys() == english.keys()
    for key, forms in here.items():
        wanted = {""} if "" in english[key] else set(catalogues()[tag]["forms"])
        assert forms.keys() == wanted, key


@pytest.mark.parametrize("tag", TAGS)
def test_every_language_names_the_same_values(tag: str) -> None:
    for key, forms in forms_of(catalogues()[tag]["texts"]).items():
        wanted = set(PLACE.findall(" ".join(forms_of(ENGLISH)[key].values())))
        for form, text in forms.items():
            may_lack = {"count"} if form in ("zero", "one", "two") else set()
            assert wanted - may_lack <= set(PLACE.findall(text)) <= wanted, (key, form)


@pytest.mark.parametrize("tag", TAGS)
def test_texts_are_whole(tag: str) -> None:
    for key, text in catalogues()[tag]["texts"].items():
        assert text == text.strip(), key
        assert text, key
        assert not re.search(r"[{}]", PLACE.sub("", text)), key
        # What a text does not say in its language is one of these names.
        if catalogues()[tag]["dir"] == "rtl" and not key.startswith("common.facts"):
            words = re.sub(r"\b(Parley|Google|JSON|JavaScript|API|ASCII|Enter)\b", "", text)
            known = re.sub(r"[a-z0-9]+@\S+|application/json|abcd|\(surrogate\)|a[-–]z|@", "", words)
            assert not re.search(r"[A-Za-z]{2,}", PLACE.sub("", known)), (key, text)


def test_every_key_in_the_code_has_a_text_and_the_other_way_round() -> None:
    used = {key for code in SCRIPTS.values() for key in keys_in(code)}
    known = set(forms_of(ENGLISH))

    assert used - known == set()
    made = {start for code in SCRIPTS.values() for start in MADE.findall(code)}
    assert made >= set(FAMILIES)
    unused = {key for key in known - used if not key.startswith(tuple(made))}
    assert unused == {"page.noScript"}


def keys_in(code: str) -> Iterator[str]:
    """Literals that look like keys, of the groups that there are. An event is no text."""
    groups = {key.split(".")[0] for key in ENGLISH}
    others = {*ACTIONS, *EVENTS}
    for literal in re.findall(r'"([a-z]\w*\.\w+(?:\.\w+)?)"', code):
        if literal.split(".")[0] in groups and literal not in others:
            yield literal


def test_what_the_server_says_by_code_and_kind_has_a_text() -> None:
    known = forms_of(ENGLISH)
    of = {
        family: {key[len(family) :] for key in known if key.startswith(family)}
        for family in FAMILIES
    }

    assert of["error."] - {"wrongPassword"} == codes() - VARIED
    assert of["kind."] <= KINDS
    assert of["scope."] == set(USER_SCOPES)
    assert all(known[f"scope.{scope}"][""] == text for scope, text in USER_SCOPES.items())


def codes() -> set[str]:
    return {one.code for one in vars(errors).values() if is_error(one)}


def is_error(one: Any) -> bool:
    return isinstance(one, type) and issubclass(one, errors.AppError)


CALL = re.compile(r'\b(?:t|parts)\("([\w.]+)"(, \{)?')


def test_every_text_gets_the_values_that_it_names() -> None:
    checked = 0
    for path, code in SCRIPTS.items():
        for call in CALL.finditer(code):
            wanted = set(PLACE.findall(" ".join(forms_of(ENGLISH)[call[1]].values())))
            given = set(members(code, call.end())) if call[2] else set()
            assert given - {"count"} == wanted - {"count"}, (path, call[0])
            assert ("count" in given) == ("" not in forms_of(ENGLISH)[call[1]]), (path, call[0])
            checked += 1
    assert checked > 100


def members(code: str, start: int) -> Iterator[str]:
    """The names in an object literal whose brace ends at `start`."""
    depth, begun = 0, start
    for at in range(start, len(code)):
        if code[at] in "([{":
            depth += 1
        elif code[at] in ")]}":
            depth -= 1
        if depth < 0 or (depth == 0 and code[at] == ","):
            name = re.match(r"\s*(\w+)", code[begun:at])
            if name:
                yield name[1]
            begun = at + 1
        if depth < 0:
            return


SHOWN = [
    r'\b(?:field|announce|say|confirm|alert|prompt)\(\s*(["`][^"`]*["`])',
    r'\b(?:section|passwordForm)\(\s*(["`][^"`]*["`])',
    r'\b(?:setText|toolButton)\([^,()]*,\s*(["`][^"`]*["`])',
    r'\b(?:title|placeholder|alt|label): (["`][^"`]*["`])',
    r'"aria-(?:label|description|valuetext|roledescription)": (["`][^"`]*["`])',
    r'(?<!enterkey)(?:[lL]abel|hint|notice|summary): (["`][^"`]*["`])',
    r'\.(?:textContent|title|placeholder|ariaLabel|alt|innerText) = (["`][^"`]*["`])',
    r'\bh\("\w+", \{[^{}]*\}, (["`][^"`]*["`])',
    r'\b(?:replaceChildren|append|prepend|before|after)\((?:[^()]*, )?(["`][^"`]*["`])',
    r"new (?:Api)?Error\((\"[^\"]*\"|`[^`]*`)",
    r'\.setAttribute\("(?:aria-label|title|placeholder|alt)", (["`][^"`]*["`])',
]
"""Where a text in the code would be seen or heard."""

LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`]*`')
NO_TEXT = re.compile(
    r"(?:class(?:Name)?\"?[:,]? =? ?|classes\.push\(|import .*|from |querySelector(?:All)?\("
    r"|closest\(|matches\(|matchMedia\()$"
)
NAMES = {"Parley", "Samsung Internet", "openid email profile", "noopener noreferrer", "not all"}
"""Words that are the same in every language, or that nobody reads."""


def test_no_text_stands_in_the_code() -> None:
    found = [
        (str(path), literal)
        for path, code in SCRIPTS.items()
        for literal in literals(without_comments(code))
    ]
    assert not found, "\n".join(f"{path}: {literal}" for path, literal in found)


def without_comments(code: str) -> str:
    return re.sub(r"/\*.*?\*/|(?:^|(?<=\s))//[^\n]*$", "", code, flags=re.DOTALL | re.MULTILINE)


def literals(code: str) -> Iterator[str]:
    for pattern in SHOWN:
        for found in re.findall(pattern, code):
            if reads(found):
                yield found
    for literal in LITERAL.finditer(code):
        before = code[: literal.start()].rpartition("\n")[2]
        if not NO_TEXT.search(before) and says_something(literal[0]):
            yield literal[0]


def reads(literal: str) -> bool:
    """Whether it has letters that are said, beside values and names."""
    text = re.sub(r"\$\{[^}]*\}", "", literal[1:-1])
    return bool(re.search(r"[A-Za-z]{2,}", text)) and text not in NAMES


def says_something(literal: str) -> bool:
    """Whether two words stand beside each other, as in a sentence."""
    text = re.sub(r"\$\{[^}]*\}", "", literal[1:-1])
    words = re.search(r"(?<![-\w/#.:])[A-Za-z]{2,} [a-zA-Z]{2,}(?![-\w]*:)", text)
    return bool(words) and text.strip() not in NAMES


@pytest.mark.parametrize(
    "code",
    [
        'h("p", { class: "x" }, "Saved")',
        'h("button", { title: "Send" })',
        'field("Name", {})',
        "announce(`Hello ${name}`)",
        'node.textContent = "typing"',
        'submitLabel: "Save"',
        'const hint = "Keep it safe.";',
        'throw new Error("No.")',
        'setText(label, "Later")',
        'x.replaceChildren("Draft")',
        'const what = count ? `${count} new messages` : "";',
    ],
)
def test_a_text_in_the_code_is_found(code: str) -> None:
    assert list(literals(code))


def test_the_page_says_in_every_language_that_it_needs_scripts() -> None:
    (said,) = re.findall(r"<noscript>(.*?)</noscript>", (WEB / "index.html").read_text(), re.DOTALL)

    for about in catalogues().values():
        assert f">{about['texts']['page.noScript']}<" in said


def test_plural_forms_are_those_of_the_language() -> None:
    said = run("""
        await speak("ar", "ar-MA");
        return [0, 1, 2, 3, 11, 100].map((count) => texts.t("chats.unread", { count }));""")

    assert said == [
        "لا رسائل غير مقروءة",
        "رسالة واحدة غير مقروءة",
        "رسالتان غير مقروءتين",
        "3 رسائل غير مقروءة",
        "11 رسالة غير مقروءة",
        "100 رسالة غير مقروءة",
    ]


def test_numbers_and_lists_are_written_as_the_readers_do() -> None:
    said = run("""
        const all = [];
        for (const [tag, locale] of [["en", "en-GB"], ["ar", "ar-EG"], ["ar", "ar-MA"]]) {
            await speak(tag, locale);
            const { number, wait } = format;
            all.push([number(4096), wait(90), wait(7200), texts.list(["a", "b"])]);
        }
        return all;""")

    assert said == [
        ["4,096", "90 seconds", "2 hours", "a and b"],
        ["٤٬٠٩٦", "٩٠ ثانية", "ساعتان", "a وb"],
        ["4.096", "90 ثانية", "ساعتان", "a وb"],
    ]


def test_a_value_of_the_other_direction_does_not_turn_its_sentence() -> None:
    said = run("""
        const values = [{ name: "Ada" }, { name: "آدا" }];
        const plain = values.map((one) => texts.t("devices.ended", one));
        await speak("ar");
        return [...plain, ...values.map((one) => texts.t("devices.ended", one))];""")

    assert said == [
        "Ada is signed out.",
        "\u2068آدا\u2069 is signed out.",
        "تم تسجيل الخروج من \u2068Ada\u2069.",
        "تم تسجيل الخروج من \u2068آدا\u2069.",
    ]


def test_what_a_catalogue_lacks_is_said_in_english() -> None:
    said = run("""
        texts.speak({ tag: "pl", dir: "ltr" }, { "common.save": "Zapisz" }, "pl");
        const { t } = texts;
        return [t("common.save"), t("common.back"), t("talk.left", { count: 3 })];""")

    assert said == ["Zapisz", "Back", "3 characters left"]


def test_an_answer_is_said_in_the_shown_language_and_else_as_it_came() -> None:
    said = run("""
        const { fromFrame, told } = await load("server/errors");
        const errors = (...all) => ({ code: "validation_failed", message: "No.", errors: all });
        const answers = [
            { code: "username_taken", message: "Taken." },
            { code: "made_up", message: "Made up." },
            { code: "rate_limited", message: "Wait.", retry_after: 3 },
            { code: "rate_limited", message: "Wait." },
            errors({ field: "text", kind: "too_long", message: "Long.", max: 3 }),
            errors({ field: "text", kind: "too_long", message: "Long." }),
            errors({ field: "text", kind: "made_up", message: "As it came." }),
            errors({ field: "text", message: "Of an older server." }),
            { code: "constructor", message: "As it came." },
        ];
        await speak("ar", "ar-MA");
        return answers.map((one) => told(fromFrame(one)));""")

    assert said == [
        "اسم المستخدم هذا محجوز لغيرك. اختر اسمًا آخر.",
        "Made up.",
        "طلبات كثيرة جدًا. حاول مجددًا بعد \u20683 ثوان\u2069.",
        "هذا كثير دفعة واحدة. انتظر لحظة ثم حاول مجددًا.",
        "استعمل 3 أحرف على الأكثر.",
        "Long.",
        "As it came.",
        "Of an older server.",
        "As it came.",
    ]


@pytest.mark.parametrize("tag", TAGS)
def test_a_device_has_a_name_that_the_server_takes(tag: str) -> None:
    name = run(f"""
        const userAgent = "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0 Safari/537.36";
        Object.defineProperty(globalThis, "navigator", {{ value: {{ userAgent }} }});
        const {{ deviceName }} = await load("account/device");
        await speak("{tag}");
        return deviceName();""")

    assert "Chrome" in name
    assert name.isprintable()  # as the server wants it: no isolates, which are not
