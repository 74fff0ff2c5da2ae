"""People who have not both written yet, and a page that loads nothing from elsewhere."""

import json
import re
from urllib.parse import urlsplit

from playwright.sync_api import Route, expect

from tests.e2e.web.world import World

ELSEWHERE = "https://pictures.example"


def test_names_and_texts_of_strangers_load_nothing_from_elsewhere(world: World) -> None:
    ada, ben, chat = world.strangers()

    def with_picture(route: Route) -> None:
        """As a server of an older version answers."""
        answer = route.fetch()
        body = re.sub(r'"avatar_url": ?null', f'"avatar_url":"{ELSEWHERE}/a.png"', answer.text())
        route.fulfill(response=answer, body=body)

    context = world.new_context()
    context.route(re.compile(r"/v1/(users|auth)"), with_picture)
    ben.post(chat, f"{ELSEWHERE}/b.png http://pictures.example/c.png //pictures.example/d.png")
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    ada.open(context).talk_to(ben)
    expect(ada.page.locator(".theirs .text a")).to_have_count(2)
    ada.page.get_by_role("button", name="Settings").last.click()
    ada.page.get_by_role("button", name="Save").first.wait_for()

    context.unroute_all(behavior="wait")
    assert any(url.startswith(f"{world.url}/v1/users?ids=") for url in asked)
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(world.url).netloc}
    assert ada.page.locator(".avatar img").count() == 0
    expect(ada.row(ben).locator(".avatar")).to_have_text("BL")


def test_the_browser_refuses_a_picture_from_elsewhere(world: World) -> None:
    page = world.new_page()
    page.goto(world.url)
    failed: list[str | None] = []
    page.on("requestfailed", lambda request: failed.append(request.failure))

    with page.expect_console_message(lambda said: "Content Security Policy" in said.text):
        refused = page.evaluate(
            """url => new Promise((resolve) => {
              const refused = (event) => resolve(event.effectiveDirective);
              addEventListener("securitypolicyviolation", refused);
              document.body.append(Object.assign(new Image(), { src: url }));
            })""",
            f"{ELSEWHERE}/a.png",
        )

    assert refused == "img-src"
    assert failed == ["csp"]  # before anything was sent
    world.problems.clear()  # the browser tells of what it refused


def test_before_an_answer_presence_is_hidden_and_a_fourth_message_is_refused(world: World) -> None:
    ada, ben, _ = world.strangers()
    ben.open().talk_to(ada)
    ada.open().talk_to(ben)
    for text in ("one", "two", "three"):
        ada.write(text)
    expect(ben.message("three")).to_be_visible()
    ada.write("four")
    expect(ada.page.locator(".failure")).to_contain_text("They have not answered yet.")
    ada.expect_tick("three", "sent")
    expect(ada.page.locator(".presence")).to_be_empty()
    expect(ada.row(ben).locator(".online-dot")).to_be_hidden()

    ben.write("hello")

    ada.expect_tick("three", "read")
    expect(ada.page.locator(".presence")).to_have_text("online")
    expect(ben.page.locator(".presence")).to_have_text("online")
    ada.page.locator(".failure").get_by_role("button", name="Try again").click()
    ada.expect_tick("four", "read")
    ben.expect_tick("hello", "read")


def test_profiles_are_asked_for_together(world: World) -> None:
    ada = world.person("Ada Okafor")
    others = [world.person(f"Person {number}") for number in range(12)]
    for one in others:
        one.post(one.chat_with(ada), f"from {one.name}")
    context = world.new_context()
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))

    ada.open(context)
    for one in others:
        expect(ada.row(one)).to_be_visible()

    about_people = [url for url in asked if re.search(r"/v1/users(\?|/[0-9a-f]{8})", url)]
    assert len(about_people) == 1, json.dumps(about_people)
