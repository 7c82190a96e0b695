"""Whoever follows docs/how-to/new-store.md to the letter has a store: it keeps the law that every store keeps."""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from test_docs import blocks

PAGE = Path(__file__).resolve().parent.parent / "docs" / "how-to" / "new-store.md"
NAME = "followed_new_store"


def followed() -> ModuleType:
    """The blocks of the page, below one another in a file, as a module that other processes can import too."""
    code = "\n\n".join(code for _, code in blocks(PAGE.read_text(encoding="utf-8"), "python"))
    folder = Path(tempfile.mkdtemp())
    (folder / f"{NAME}.py").write_text(code, encoding="utf-8")
    sys.path.append(str(folder))  # a spawned process gets the same path
    return importlib.import_module(NAME)


class TestFollowedPage(followed().TestFolderStore):  # type: ignore[misc]
    """The store of the page keeps the law, with the very class that the page gives to the contract."""


def test_the_page_builds_all_parts_of_a_store():
    """Every method of the protocol stands on the page."""
    from workflow_manager.protocols import DefinitionStore, StateResourceStore, WorkflowStore

    text = PAGE.read_text(encoding="utf-8")
    parts = (DefinitionStore, StateResourceStore, WorkflowStore)
    methods = [name for part in parts for name in vars(part) if not name.startswith("_")]
    assert len(methods) > 15
    assert [name for name in methods if f"def {name}(" not in text] == []
