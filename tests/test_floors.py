"""The floors of the house: an import only ever points down, and the lower floors know no world."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

SRC = Path(__file__).resolve().parent.parent / "src"
PACKAGE = "workflow_manager"

FLOORS = {
    "exceptions": 1,
    "asl": 2,
    "history": 3,
    "models": 3,
    "engine": 4,
    "jobs": 4,
    "aws": 5,
    "callables": 5,
    "codec": 5,
    "protocols": 5,
    "stores": 6,
    "managers": 6,
    "workers": 6,
    "display": 7,
    "service": 7,
    "testing": 7,
    "": 8,  # workflow_manager/__init__.py, the public names
}
"""Every room and the floor it is on."""

STRANGERS = {4, 6}
"""Floors whose rooms do not know one another: they meet in history, or in the caller's hands."""

PURE = range(1, 5)
WORLD = frozenset(
    """
    _thread asyncio boto3 botocore concurrent ctypes http logging multiprocessing os pathlib queue requests sched
    secrets select shutil signal socket sqlite3 subprocess tempfile threading time urllib
    """.split()
)
"""Modules through which a clock, a thread, a disk or a network would come in."""
CHANCE = {"random": {"Random"}, "uuid": {"UUID"}}
"""What may be used of the modules of chance: that which is given its seed."""
CLOCKS = {"now", "utcnow", "today"}

AWS = {"boto3", "botocore", "mypy_boto3_batch", "mypy_boto3_dynamodb", "mypy_boto3_stepfunctions", "types_boto3"}
QUERY_AND_STORE = {"boto3", "botocore", "jsonata", "jsonpath", "sqlite3", "yaml"}
HEAVY = QUERY_AND_STORE | {"asyncio", "cattrs", "concurrent", "logging", "multiprocessing"}


@attrs.frozen
class Import:
    """One import statement of one name: where it stands and what it asks for."""

    module: str
    line: int
    target: str
    name: str | None = None
    typing_only: bool = False
    at_module_level: bool = True

    @property
    def place(self) -> str:
        return f"{self.module}:{self.line}"


def modules() -> dict[str, ast.Module]:
    """Every module of the package by its dotted name."""
    found = {}
    for file in sorted((SRC / PACKAGE).rglob("*.py")):
        parts = file.relative_to(SRC).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    return found


MODULES = modules()


def is_package(module: str) -> bool:
    return (SRC / Path(*module.split("."))).is_dir()


def room(module: str) -> str:
    """The room that a module of ours belongs to; the package itself is the room ``""``."""
    return [*module.split("."), ""][1]


def walk(node: ast.AST, typing_only: bool = False, top: bool = True) -> Iterator[tuple[Any, bool, bool]]:
    """Every node under *node*, with whether it stands under TYPE_CHECKING and whether it runs on import."""
    for child in ast.iter_child_nodes(node):
        guarded = typing_only
        if isinstance(node, ast.If) and child in node.body:
            guarded = typing_only or "TYPE_CHECKING" in ast.unparse(node.test)
        yield child, guarded, top
        inside = top and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from walk(child, guarded, inside)


def absolute(module: str, node: ast.ImportFrom) -> str:
    """What a ``from … import`` means, with the dots of a relative import resolved."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    parts = parts[: len(parts) - node.level + is_package(module)]
    return ".".join([*parts, *([node.module] if node.module else [])])


def dynamic(node: ast.AST) -> str | None:
    """The module that ``import_module("…")`` or ``__import__("…")`` names, if it does so by a literal."""
    if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
        return None
    called = ast.unparse(node.func).rpartition(".")[2]
    return str(node.args[0].value) if called in {"import_module", "__import__"} else None


def imports(module: str) -> Iterator[Import]:
    """All imports of a module, those inside functions too; ``from package import submodule`` names the submodule."""
    for node, typing_only, top in walk(MODULES[module]):
        line = getattr(node, "lineno", 0)
        where = {"module": module, "line": line, "typing_only": typing_only, "at_module_level": top}
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(target=alias.name, **where)
        elif isinstance(node, ast.ImportFrom):
            source = absolute(module, node)
            for alias in node.names:
                submodule = f"{source}.{alias.name}"
                target, name = (submodule, None) if submodule in MODULES else (source, alias.name)
                yield Import(target=target, name=name, **where)
        elif named := dynamic(node):
            yield Import(target=named, **where)


IMPORTS = [found for module in MODULES for found in imports(module)]
OURS = [found for found in IMPORTS if found.target.split(".")[0] == PACKAGE]
FOREIGN = [found for found in IMPORTS if found.target.split(".")[0] != PACKAGE]


def floor(module: str) -> int:
    return FLOORS[room(module)]


def test_every_module_is_in_a_room():
    """A module that belongs to no room of the table is a decision that nobody has taken."""
    assert [] == [module for module in MODULES if room(module) not in FLOORS]


def test_nobody_reaches_up():
    """An import points to the same floor or down, under TYPE_CHECKING and inside functions too."""
    upward = [
        f"{found.place} reaches up to {found.target}" for found in OURS if floor(found.target) > floor(found.module)
    ]

    assert [] == upward


def test_strangers_stay_strangers():
    """Engine and jobs do not know each other, nor do stores, managers and workers."""
    acquainted = [
        f"{found.place} knows {found.target}"
        for found in OURS
        if floor(found.module) in STRANGERS
        and floor(found.target) == floor(found.module)
        and room(found.target) != room(found.module)
    ]

    assert [] == acquainted


def test_no_two_modules_need_each_other_to_be_imported():
    """The imports that run when a module is loaded have no cycle."""
    needs: dict[str, set[str]] = {module: set() for module in MODULES}
    for found in OURS:
        if found.at_module_level and not found.typing_only and found.target != found.module:
            needs[found.module].add(found.target)
    while free := {module for module, targets in needs.items() if not targets}:
        needs = {module: targets - free for module, targets in needs.items() if module not in free}

    assert {} == needs


def test_the_lower_floors_know_no_world():
    """Floors 1 to 4 import no clock, thread, disk, network, log or process."""
    worldly = [
        f"{found.place} imports {found.target}"
        for found in FOREIGN
        if floor(found.module) in PURE and found.target.split(".")[0] in WORLD
    ]

    assert [] == worldly


def chances(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The members of random and uuid that *node* uses, as ``from random import x`` or ``random.x``."""
    if isinstance(node, ast.ImportFrom) and node.module in CHANCE:
        yield from ((node.module, alias.name) for alias in node.names)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in CHANCE:
        yield node.value.id, node.attr


def test_the_lower_floors_take_no_chances():
    """On floors 1 to 4 chance has a seed: random.Random and uuid.UUID, no global random, no uuid4."""
    unseeded = [
        f"{module}:{node.lineno} {module_of_chance}.{name}"
        for module, tree in MODULES.items()
        if floor(module) in PURE
        for node, _, _ in walk(tree)
        for module_of_chance, name in chances(node)
        if name not in CHANCE[module_of_chance]
    ]

    assert [] == unseeded


def test_the_lower_floors_never_read_the_clock():
    """On floors 1 to 4 time arrives as an argument: nobody calls datetime.now, utcnow or today."""
    read = [
        f"{module}:{node.lineno} {ast.unparse(node)}"
        for module, tree in MODULES.items()
        if floor(module) in PURE
        for node, _, _ in walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in CLOCKS
        and ast.unparse(node.value).rpartition(".")[2] in {"datetime", "date"}
    ]

    assert [] == read


def test_only_the_language_speaks_json_text_below_the_codec():
    """Below floor 5 json is imported by asl alone."""
    spoken = [
        found.place
        for found in FOREIGN
        if floor(found.module) in PURE and room(found.module) != "asl" and found.target == "json"
    ]

    assert [] == spoken


MAKES_CLIENTS = ("workflow_manager.testing", "workflow_manager.workers")


def test_nobody_imports_an_aws_sdk():
    """
    boto3 and botocore occur under TYPE_CHECKING only: callers pass clients.

    Two rooms make clients of their own, inside a function: what is for tests only, and the far side, which runs as a
    program.
    """
    taken = [found for found in FOREIGN if found.target.split(".")[0] in AWS and not found.typing_only]

    assert [] == [found.place for found in taken if found.at_module_level or not found.module.startswith(MAKES_CLIENTS)]


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after *code*, beyond those it starts with."""
    script = f"import sys; before = set(sys.modules)\n{code}\nprint(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-S", "-c", _with_paths(script)], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def _with_paths(script: str) -> str:
    # -S keeps out what .pth files of the environment import; the paths themselves are handed over.
    paths = [str(SRC), *(path for path in sys.path if path)]
    return f"import sys; sys.path[:0] = {paths!r}\n{script}"


def test_importing_the_package_is_light():
    """``import workflow_manager`` loads none of the heavy modules, ours or Python's."""
    assert set() == loaded_by("import workflow_manager") & HEAVY


@pytest.mark.parametrize("name", ["StateMachine", "MemoryStore", "LocalWorkflowManager", "Workflow"])
def test_a_public_name_brings_in_only_what_it_needs(name: str):
    """No public name of the local world loads the AWS SDK, a query library, YAML or SQLite."""
    loaded = loaded_by(f"import workflow_manager; workflow_manager.{name}")

    assert set() == loaded & QUERY_AND_STORE


def test_the_walk_sees_every_import():
    """The reader of imports finds relative, guarded, function-local and dynamic imports; a test of the tests above."""
    tree = ast.parse(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import botocore.client\n"
        "def f():\n"
        "    from workflow_manager.engine import pending\n"
        "    __import__('importlib').import_module('boto3')\n"
    )
    MODULES["workflow_manager.asl.made_up"] = tree
    try:
        found = list(imports("workflow_manager.asl.made_up"))
    finally:
        del MODULES["workflow_manager.asl.made_up"]

    found = [each for each in found if each.target != "importlib"]
    ours = ("workflow_manager.engine.pending", False)

    assert [("typing", False), ("botocore.client", True), ours, ("boto3", False)] == [
        (each.target, each.typing_only) for each in found
    ]
    assert [True, True, False, False] == [each.at_module_level for each in found]
