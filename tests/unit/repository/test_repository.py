"""What GitHub, Git and a new developer read names what is there."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
MAKEFILE = (ROOT / "Makefile").read_text()
PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md"]
PAGES += [str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").glob("*.md"))]
DECISIONS = [
    str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs" / "decisions").glob("0*.md"))
]


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def test_the_workflow_runs_what_the_readme_says_tests_everything() -> None:
    (job,) = read(".github/workflows/test.yml")["jobs"].values()
    runs = [step["run"] for step in job["steps"] if "run" in step]

    assert runs[-1] == ".ci/run"
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == "exec make test"
    assert "\nmake test " in (ROOT / "README.md").read_text()


def test_the_workflow_may_only_read_and_pins_what_it_uses() -> None:
    workflow = read(".github/workflows/test.yml")
    (job,) = workflow["jobs"].values()
    used = [step for step in job["steps"] if "uses" in step]

    assert workflow["permissions"] == {"contents": "read"}
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"]) for step in used)
    assert all(step["with"] == {"persist-credentials": False} for step in used)
    assert job["timeout-minutes"]


def test_hooks_are_targets_and_fetch_nothing() -> None:
    repositories = read(".pre-commit-config.yaml")["repos"]

    assert [each["repo"] for each in repositories] == ["local"]
    for hook in repositories[0]["hooks"]:
        make, target = hook["entry"].split()
        assert make == "make"
        assert f"\n{target}:" in MAKEFILE


def test_updates_of_every_pinned_file_wait_a_week() -> None:
    updates = read(".github/dependabot.yml")["updates"]
    watched = {
        (one["package-ecosystem"], folder)
        for one in updates
        for folder in one.get("directories", [one.get("directory")])
    }
    pinned = {
        (system, f"/{path.parent.relative_to(ROOT)}".replace("/.", "/"))
        for system, pattern in (("pip", "requirements*.in"), ("npm", "package-lock.json"))
        for folder in ("", "docs", "infra", "local", "tests", "web")
        for path in (ROOT / folder).glob(pattern if not folder else f"**/{pattern}")
    }

    assert watched == pinned | {("github-actions", "/")}
    assert all(one["cooldown"]["default-days"] >= 7 for one in updates)


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    named = re.findall(r"`((?:chalicelib|tests|docs|local|infra|web|bench)/[\w./-]+)`", text)
    missing = [name for name in named if not (ROOT / name).exists()]

    assert missing == []


@pytest.mark.parametrize("page", [*PAGES, *DECISIONS])
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page: str) -> None:
    source = ROOT / page
    broken = []
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", source.read_text()):
        if page in DECISIONS and "../chalicelib/" in target:
            continue  # the code as it was then: decisions are history
        aim = source.parent / target if target else source
        if not aim.exists() or (anchor and anchor not in anchors(aim)):
            broken.append(f"{target}#{anchor}")

    assert broken == []


def test_every_decision_is_in_the_list() -> None:
    listed = re.findall(
        r"^- \[(\d{4}) .*\]\((.*)\)$", (ROOT / "docs/decisions/README.md").read_text(), re.MULTILINE
    )

    assert [name for _, name in listed] == [Path(page).name for page in DECISIONS]
    for number, name in listed:
        assert name.startswith(f"{number}-")


def test_the_table_of_features_has_twenty_of_them() -> None:
    """A stranger finds the file of each in one guess."""
    page = (ROOT / "docs/architecture.md").read_text()
    table = page.partition("\n## Where each feature is\n")[2]

    assert len(re.findall(r"^\| [A-Z].*\]\(\.\./", table, re.MULTILINE)) >= 20


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


def test_names_in_backticks_of_the_guide_are_in_the_code() -> None:
    """What CONTRIBUTING has one read along is still called so."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    code = "".join(path.read_text() for path in (ROOT / "chalicelib").rglob("*.py"))
    names = set(re.findall(r"`([A-Za-z_]+)(?:\(\))?`", text)) - {
        "text",
        "main",
        "kind",
        "breakpoint",
    }

    assert {name for name in names if not re.search(rf"\b{name}\b", code)} == set()
