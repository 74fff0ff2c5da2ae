"""The client in another language, from right to left, and on the way between two."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.web.world import PASSWORD, Person, World, settings, sign_in, top_of

NARROW = {"width": 360, "height": 740}
SIGN_IN = "تسجيل الدخول"
SETTINGS = "الإعدادات"


def choose(page: Page, label: str) -> None:
    page.locator("#language").select_option(label=label)


def expect_language(page: Page, tag: str, direction: str) -> None:
    expect(page.locator(f'html[lang="{tag}"][dir="{direction}"]')).to_be_attached()


def left_of(locator: Locator) -> float:
    box = locator.bounding_box()
    assert box is not None
    return box["x"]


def too_wide(page: Page) -> object:
    """What reaches over an edge of the window, where one would have to scroll for it."""
    return page.evaluate("""() => {
        const inside = (node) => {
            const { left, right, width } = node.getBoundingClientRect();
            return !width || (left > -1 && right < innerWidth + 1);
        };
        const wide = document.documentElement.scrollWidth > innerWidth ? ["the page"] : [];
        const nodes = document.querySelectorAll("button, input, select, textarea, p, h1, h2, h3");
        const shown = [...nodes].filter((node) => !node.closest(".visually-hidden, .skip"));
        return [...wide, ...shown.filter((node) => !inside(node)).map((node) => node.outerHTML)];
    }""")


def longer(page: Page) -> None:
    """Makes every text on the page 40 % longer, as other languages may."""
    page.evaluate("""() => {
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            const { data } = walker.currentNode;
            const words = data.split(" ");
            walker.currentNode.data = [...words, ...words.slice(0, words.length * 0.4)].join(" ");
        }
    }""")


def test_a_browser_says_its_language_and_errors_are_in_it(world: World) -> None:
    ada = world.person("Ada Okafor")
    page = world.new_page(locale="ar-MA", viewport=NARROW)
    page.goto(world.url)
    expect_language(page, "ar", "rtl")
    assert too_wide(page) == []

    page.get_by_label("اسم المستخدم أو البريد الإلكتروني").fill(ada.username)
    page.get_by_label("كلمة المرور").fill("not the password 7")
    page.locator("form").get_by_role("button", name=SIGN_IN).click()
    expect(page.get_by_text("اسم الدخول أو كلمة المرور غير صحيحة.")).to_be_visible()

    page.get_by_role("button", name="إنشاء حساب", exact=True).first.click()
    page.get_by_label("اسمك").fill("أمينة")
    page.get_by_label("اسم المستخدم").fill("a!")
    page.get_by_label("البريد الإلكتروني").fill("amina@example.org")
    page.get_by_label("كلمة المرور").fill("short")
    page.locator("form").get_by_role("button", name="إنشاء حساب").click()
    expect(page.get_by_text("يتألف اسم المستخدم من 3 إلى 32")).to_be_visible()
    expect(page.get_by_text("استعمل 10 أحرف على الأقل.")).to_be_visible()
    assert too_wide(page) == []


def test_a_language_that_is_not_there_is_english(world: World) -> None:
    page = world.new_page(locale="fr-FR")
    page.goto(world.url)
    expect_language(page, "en", "ltr")
    expect(page.get_by_label("Username or e-mail")).to_be_visible()


def test_on_the_first_page_what_was_typed_stays(world: World) -> None:
    page = world.new_page()
    page.goto(world.url)
    page.get_by_label("Username or e-mail").fill("somebody")
    choose(page, "العربية")

    expect_language(page, "ar", "rtl")
    expect(page.get_by_label("اسم المستخدم أو البريد الإلكتروني")).to_have_value("somebody")
    expect(page.locator("#language")).to_be_focused()


def test_a_catalogue_that_cannot_be_loaded_changes_nothing(world: World) -> None:
    page = world.new_page()
    page.route(re.compile(r"/ar-\w+\.js"), lambda route: route.abort())
    page.goto(world.url)
    choose(page, "العربية")

    expect(page.get_by_text("This language could not be loaded.")).to_be_visible()
    expect(page.locator("#language")).to_have_value("browser")
    expect_language(page, "en", "ltr")


@pytest.fixture
def arabic(world: World) -> tuple[Person, Person, str]:
    """Somebody who chose Arabic in the settings, and a chat."""
    ada, ben, chat = world.pair()
    ada.open()
    ada.talk_to(ben)
    ada.page.get_by_label("Write a message").fill("not sent yet")
    ada.page.evaluate("window.same = true")
    settings(ada.page, "Appearance & language")
    choose(ada.page, "العربية")
    expect_language(ada.page, "ar", "rtl")
    return ada, ben, chat


def test_switching_keeps_the_session_the_chat_and_what_was_written(
    world: World, arabic: tuple[Person, Person, str]
) -> None:
    ada, ben, chat = arabic
    page = ada.page
    expect(page.get_by_role("heading", name=SETTINGS)).to_be_visible()
    expect(page.locator("#language")).to_be_focused()
    page.get_by_role("button", name="إغلاق").click()
    expect(page.locator(".talk h2")).to_have_text(ben.name)
    expect(page.get_by_label("اكتب رسالة")).to_have_value("not sent yet")
    assert page.evaluate("window.same") is True

    ben.post(chat, "Still there?")
    expect(ada.message("Still there?")).to_be_visible()
    ben.post(chat, "\n".join(["A long list:"] * 60))
    last = page.locator(".message").last
    expect(last).to_contain_text("A long list:")
    page.locator(".scroll").evaluate("(area) => { area.scrollTop -= 300 }")
    page.get_by_label("اكتب رسالة").evaluate("(box) => box.setSelectionRange(3, 5)")
    begins = top_of(last)

    tab = world.new_page(page.context)
    tab.goto(world.url)
    expect_language(tab, "ar", "rtl")
    choose(tab, "English")
    expect_language(page, "en", "ltr")
    box = page.get_by_label("Write a message")
    expect(box).to_have_value("not sent yet")
    assert box.evaluate("(box) => [box.selectionStart, box.selectionEnd]") == [3, 5]
    assert top_of(last) == pytest.approx(begins, abs=1)


def test_from_right_to_left_everything_is_on_its_side(
    world: World, arabic: tuple[Person, Person, str]
) -> None:
    ada, ben, chat = arabic
    page = ada.page
    for text in ("Hello, عربي!", "مرحبا (English)."):
        ada.post(chat, text)
        ben.post(chat, text)
    page.get_by_role("button", name="إغلاق").click()
    expect(page.locator(".message")).to_have_count(6)

    assert left_of(page.locator(".sidebar")) > left_of(page.locator(".talk"))
    mine, theirs = page.locator(".mine .bubble").last, page.locator(".theirs .bubble").last
    assert left_of(mine) < left_of(theirs)
    flipped = "(node) => getComputedStyle(node).transform"
    assert page.locator(".icon-send").evaluate(flipped) == "matrix(-1, 0, 0, 1, 0, 0)"
    assert page.locator(".icon-search").evaluate(flipped) == "none"
    # A name stands beside its picture, a text in its own direction, the username as it is typed.
    assert right_of(ada.row(ben).locator(".chat-name")) < left_of(ada.row(ben).locator(".face"))
    directions = "(nodes) => nodes.map((node) => getComputedStyle(node).direction)"
    assert page.locator(".mine .text").evaluate_all(directions)[-2:] == ["ltr", "rtl"]
    assert page.locator(".handle").evaluate("(node) => getComputedStyle(node).direction") == "ltr"


def right_of(locator: Locator) -> float:
    box = locator.bounding_box()
    assert box is not None
    return box["x"] + box["width"]


def test_nothing_is_wider_than_a_phone(arabic: tuple[Person, Person, str]) -> None:
    page = arabic[0].page
    page.set_viewport_size({"width": 360, "height": 740})
    for make_longer in (False, True):
        if make_longer:
            longer(page)
        assert too_wide(page) == []
    for at in range(page.locator(".settings-list a").count()):
        page.locator(".settings-back").click()
        page.locator(".settings-list a").nth(at).click()
        assert too_wide(page) == []
    page.get_by_role("button", name="إغلاق").click()
    longer(page)
    assert too_wide(page) == []
    page.locator(".back").click()
    expect(page.locator(".chat-row")).to_be_visible()
    longer(page)
    assert too_wide(page) == []


def test_a_wrong_password_in_the_settings_is_said_in_the_language(
    arabic: tuple[Person, Person, str],
) -> None:
    page = arabic[0].page
    page.locator(".settings-list a", has_text="كلمة المرور").click()
    page.get_by_label("كلمة المرور الحالية").fill("not the password 7")
    page.get_by_label("كلمة المرور الجديدة").fill(PASSWORD + " and more")
    page.get_by_role("button", name="تغيير كلمة المرور").click()
    expect(page.get_by_text("كلمة المرور غير صحيحة.")).to_be_visible()


def test_with_no_place_to_keep_it_the_choice_lasts_as_long_as_the_page(world: World) -> None:
    ada = world.person("Ada Okafor")
    page = world.new_page()
    page.add_init_script("""for (const name of ["localStorage", "sessionStorage"])
        Object.defineProperty(window, name, { get() { throw new DOMException("No."); } });""")
    page.goto(world.url)
    sign_in(page, ada.username)
    settings(page, "Appearance & language")
    choose(page, "العربية")

    expect_language(page, "ar", "rtl")
    expect(page.get_by_role("heading", name=SETTINGS)).to_be_visible()


def test_text_that_is_not_saved_stays_when_another_tab_changes_the_language(world: World) -> None:
    page = world.person("Ada Okafor").open().page
    section = settings(page, "Profile")
    section.get_by_label("About you").fill("Not saved yet")
    tab = world.new_page(page.context)
    tab.goto(world.url)
    choose(tab, "العربية")
    expect_language(tab, "ar", "rtl")
    page.wait_for_timeout(1500)

    expect(section.get_by_label("About you")).to_have_value("Not saved yet")
    expect_language(page, "en", "ltr")
    section.get_by_role("button", name="Save").click()
    expect_language(page, "ar", "rtl")
    expect(page.get_by_label("نبذة عنك")).to_have_value("Not saved yet")
