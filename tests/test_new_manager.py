"""Whoever follows docs/how-to/new-manager.md to the letter has a manager: it keeps the law that every manager keeps."""

from __future__ import annotations

import importlib
import re
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from test_docs import blocks

PAGE = Path(__file__).resolve().parent.parent / "docs" / "how-to" / "new-manager.md"
NAME = "followed_new_manager"


def followed() -> ModuleType:
    """The blocks of the page, below one another in a file, as a module."""
    code = "\n\n".join(code for _, code in blocks(PAGE.read_text(encoding="utf-8"), "python"))
    folder = Path(tempfile.mkdtemp())
    (folder / f"{NAME}.py").write_text(code, encoding="utf-8")
    sys.path.append(str(folder))
    return importlib.import_module(NAME)


class TestFollowedPage(followed().TestFolderManager):  # type: ignore[misc]
    """The manager of the page keeps the law, with the very class that the page gives to the contract."""


class TestFollowedRunner(sys.modules[NAME].TestFolderRunner):  # type: ignore[misc,name-defined]
    """The runner of the page keeps the law of runners."""


def test_the_page_names_all_that_a_manager_does():
    """Every method of the protocols of managers and of runners stands on the page, or the class that has it."""
    from workflow_manager.protocols import TaskRunner, WorkflowManager

    text = PAGE.read_text(encoding="utf-8")
    methods = [name for part in (TaskRunner, WorkflowManager) for name in vars(part) if not name.startswith("_")]
    assert len(methods) == 8
    assert [name for name in methods if not re.search(rf"\b{name}\b", text)] == []
