"""What modules may import: no cycles anywhere, and the layers that scripts keep. import-linter checks the packages."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPTS = sorted(path.stem for path in REPOSITORY.glob("*.py"))


def find_modules(root: Path) -> dict[str, Path]:
    """The modules of the scripts and packages in a folder, by name."""
    folders = [root, *(path.parent for path in root.glob("*/__init__.py"))]
    paths = [path for folder in folders for path in (folder.glob("*.py") if folder == root else folder.rglob("*.py"))]
    parts = {path: path.relative_to(root).with_suffix("").parts for path in paths}
    return {".".join(names[:-1] if names[-1] == "__init__" else names): path for path, names in parts.items()}


def without_type_checking(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a tree, except those that only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from without_type_checking(child)


def imports_of(path: Path, modules: dict[str, Path]) -> set[str]:
    """Names of the modules that a file imports, also inside functions. Relative imports are not used here."""
    found = set()
    for node in without_type_checking(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & set(modules)
            rest = any(f"{node.module}.{alias.name}" not in modules for alias in node.names)
            found |= submodules | ({node.module} if rest else set())
    return found & set(modules)


def import_graph(root: Path) -> dict[str, set[str]]:
    modules = find_modules(root)
    return {name: imports_of(path, modules) - {name} for name, path in modules.items()}


def find_cycle(graph: dict[str, set[str]]) -> list[str]:
    """The names along one cycle; empty if there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    return import_graph(REPOSITORY)


def test_no_modules_import_each_other(graph: dict[str, set[str]]) -> None:
    assert len(graph) > 100
    cycle = find_cycle(graph)
    assert not cycle, " imports ".join(reversed(cycle))


def test_a_cycle_is_found_also_inside_functions(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text("from package import two\n")
    (package / "two.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import package.one\n")
    assert not find_cycle(import_graph(tmp_path))
    (package / "two.py").write_text("def later():\n    from package.one import x\n")
    assert set(find_cycle(import_graph(tmp_path))) == {"package.one", "package.two"}


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_imported_by_nothing(graph: dict[str, set[str]], script: str) -> None:
    assert [name for name, imported in graph.items() if script in imported] == []


def test_the_toolbox_state_uses_only_the_core_of_qt() -> None:
    for path in (REPOSITORY / "toolbox" / "state").glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        names = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        assert {name for name in names if name.startswith("PyQt5")} <= {"PyQt5.QtCore"}, path
