"""No two modules import each other, directly or in a longer circle.

Imports within functions and for type checking count as well.
"""

import ast
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

Graph = Mapping[str, set[str]]


def test_no_modules_import_each_other(repository: Path) -> None:
    circles = [" <-> ".join(sorted(circle)) for circle in import_circles(import_graph(project_files(repository)))]
    assert not circles, "modules that import each other:\n" + "\n".join(circles)


@pytest.mark.parametrize(
    "statement",
    [
        "import speech.vad",
        "from speech.vad import vad_flags",
        "from speech import vad",
        "from . import vad",
        "from .vad import vad_flags",
        "def lazy():\n    from speech.vad import vad_flags",
        "if TYPE_CHECKING:\n    from speech.vad import vad_flags",
    ],
)
def test_an_added_circle_is_found(repository: Path, tmp_path: Path, statement: str) -> None:
    for name in ("audio.py", "vad.py"):  # speech/vad.py imports speech/audio.py
        (tmp_path / "speech").mkdir(exist_ok=True)
        shutil.copy(repository / "speech" / name, tmp_path / "speech" / name)
    files = {f"speech.{path.stem}": path for path in (tmp_path / "speech").iterdir()}
    assert import_circles(import_graph(files)) == []
    with files["speech.audio"].open("a") as file:
        file.write(f"\n{statement}\n")
    assert import_circles(import_graph(files)) == [{"speech.audio", "speech.vad"}]


def test_longer_circles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set(), "f": {"a"}, "g": {"g"}}
    assert import_circles(graph) == [{"a", "b", "c"}, {"g"}]


def project_files(root: Path) -> dict[str, Path]:
    """The files of all packages, scripts and benchmarks, by module name."""
    folders = [path.parent for path in root.glob("*/__init__.py") if path.parent.name != "tests"]
    files = [*root.glob("*.py"), *root.glob("benchmarks/*.py"), *root.glob("docs/*.py")]
    files += [path for folder in folders for path in folder.rglob("*.py")]
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def import_graph(files: Mapping[str, Path]) -> dict[str, set[str]]:
    """The modules that each module imports. Importing `a.b` does not count as importing its package `a`."""
    graph = {}
    for name, path in files.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path)))
        graph[name] = {target for node in nodes for target in _targets(node, package, files)}
    return graph


def _targets(node: ast.AST, package: str, modules: Iterable[str]) -> Iterator[str]:
    """The modules of the project that an import statement names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in modules)
    elif isinstance(node, ast.ImportFrom):
        parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        source = ".".join([*parents, *([node.module] if node.module else [])])
        for alias in node.names:
            submodule = f"{source}.{alias.name}"
            if submodule in modules:
                yield submodule
            elif source in modules:
                yield source


def import_circles(graph: Graph) -> list[set[str]]:
    """The largest groups of modules in which each is reached from each other one, in order of their names."""
    reached = {module: _reached(graph, module) for module in graph}
    circles: list[set[str]] = []
    for module in sorted(graph):
        if module in reached[module] and not any(module in circle for circle in circles):
            circles.append({other for other in reached[module] if module in reached.get(other, set())})
    return circles


def _reached(graph: Graph, start: str) -> set[str]:
    """All modules that `start` imports, directly or not."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for target in graph.get(waiting.pop(), set()) - found:
            found.add(target)
            waiting.append(target)
    return found
