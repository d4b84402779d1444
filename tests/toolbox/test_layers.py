"""Which parts of Qt the packages import."""

import ast
from pathlib import Path

import pytest


def imported(folder: Path) -> set[str]:
    """Modules and names of PyQt5 that the files of a folder import, anywhere in them."""
    found: set[str] = set()
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module == "PyQt5":
                found |= {f"PyQt5.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
    return {name for name in found if name.startswith("PyQt5")}


@pytest.mark.parametrize(
    ("package", "allowed"), [("storage", set()), ("audio", set()), ("jobs", set()), ("state", {"PyQt5.QtCore"})]
)
def test_packages_import_only_their_part_of_qt(repository, package, allowed):
    assert imported(repository / "toolbox" / package) <= allowed
