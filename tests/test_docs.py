"""The documents tell the truth: their snippets run, their links lead somewhere, their tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workflow_manager.asl import machine
from workflow_manager.asl.intrinsics_functions import INTRINSICS
from workflow_manager.asl.validate.states import FIELDS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def blocks(text: str, language: str) -> list[tuple[int, str]]:
    """The fenced blocks of *language* in *text*, each with the number of the line before its first."""
    return [(text.count("\n", 0, found.start(2)), found[2]) for found in BLOCK.finditer(text) if found[1] == language]


def anchor(heading: str) -> str:
    """The fragment under which a heading can be linked to."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


WITH_SNIPPETS = [document for document in DOCUMENTS if blocks(document.read_text(encoding="utf-8"), "python")]


@pytest.mark.parametrize("document", WITH_SNIPPETS, ids=name)
def test_every_snippet_runs(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The python blocks of a document run in order, as one program, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for line, code in blocks(document.read_text(encoding="utf-8"), "python"):
        exec(compile("\n" * line + code, str(document), "exec"), namespace)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_link_leads_somewhere(document: Path):
    """A link within the repository names a file that is there, and a heading that is in it."""
    dead = []
    for target in LINK.findall(BLOCK.sub("", document.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        headings = HEADING.findall(file.read_text(encoding="utf-8")) if fragment and file.is_file() else []
        if not file.exists() or (fragment and fragment not in map(anchor, headings)):
            dead.append(target)

    assert [] == dead


@pytest.mark.parametrize("heading", ["Run it", "Test it"])
def test_the_readme_has_one_line_each_for_running_and_testing(heading: str):
    """Under these headings stands one sh block of one line, which is all that a fresh clone needs."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split(f"\n## {heading}\n")[1].split("\n## ")[0]

    assert [1] == [len(code.splitlines()) for _, code in blocks(section, "sh")]
    assert "python3 -m venv" in section


LANGUAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")


def row(first_cell: str) -> str:
    """The row of a table in language.md that begins with this cell."""
    found = [line for line in LANGUAGE.splitlines() if line.startswith(f"| {first_cell} |")]
    assert len(found) == 1, f"{len(found)} rows for {first_cell} in docs/language.md"
    return found[0]


@pytest.mark.parametrize("type", list(machine.StateType), ids=str)
def test_the_language_document_lists_the_fields_of_every_state(type: machine.StateType):
    """Every state type has a row with the fields that it may have, by the query language that they belong to."""
    cells = [re.findall(r"`(\w+)`", cell) for cell in row(f"`{type}`").split("|")[2:5]]
    fields = {name: field.language for name, field in FIELDS[type].items()}
    of_every_state = ["Type", "Comment", "QueryLanguage"]

    assert [
        [name for name, language in fields.items() if language is wanted and name not in of_every_state]
        for wanted in (None, machine.QueryLanguage.JSONPATH, machine.QueryLanguage.JSONATA)
    ] == cells


def test_the_language_document_lists_every_intrinsic_function():
    """The intrinsic functions named are exactly those that there are."""
    assert set(INTRINSICS) == set(re.findall(r"`(States\.[A-Z]\w+)\(", LANGUAGE))


def test_the_language_document_lists_every_choice_operator():
    """The choice operators named are exactly those that there are."""
    section = LANGUAGE.split("\n## Choice operators\n")[1].split("\n## ")[0]

    named = {word for line in section.splitlines() if line.startswith("| ") for word in re.findall(r"`(\w+)`", line)}

    assert named == machine.COMPARISON_OPERATORS
