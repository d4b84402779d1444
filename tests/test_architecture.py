"""Import cycles, and imports that import-linter cannot check: those of scripts and of single modules of Qt.

No two modules import each other, directly or in a longer cycle. Imports within functions and for type checking count
as well.
"""

import ast
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

Graph = Mapping[str, set[str]]


def test_no_modules_import_each_other(repository: Path) -> None:
    cycles = [" <-> ".join(sorted(cycle)) for cycle in import_cycles(import_graph(project_files(repository)))]
    assert not cycles, "modules that import each other:\n" + "\n".join(cycles)


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
def test_an_added_cycle_is_found(repository: Path, tmp_path: Path, statement: str) -> None:
    for name in ("audio.py", "vad.py"):  # speech/vad.py imports speech/audio.py
        (tmp_path / "speech").mkdir(exist_ok=True)
        shutil.copy(repository / "speech" / name, tmp_path / "speech" / name)
    files = {f"speech.{path.stem}": path for path in (tmp_path / "speech").iterdir()}
    assert import_cycles(import_graph(files)) == []
    with files["speech.audio"].open("a") as file:
        file.write(f"\n{statement}\n")
    assert import_cycles(import_graph(files)) == [{"speech.audio", "speech.vad"}]


def test_longer_cycles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set(), "f": {"a"}, "g": {"g"}}
    assert import_cycles(graph) == [{"a", "b", "c"}, {"g"}]


def test_no_module_imports_a_script(repository: Path) -> None:
    graph = import_graph(project_files(repository))
    scripts = {path.stem for path in repository.glob("*.py")}
    assert {name: imported & scripts for name, imported in graph.items() if imported & scripts} == {}


def test_media_is_opened_in_one_place(repository: Path) -> None:
    """FFmpeg follows addresses in playlists unless it is restricted, as `speech.containers` does."""
    openers = set()
    for name, path in project_files(repository).items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "open" and ast.unparse(node.value) == "av":
                openers.add(name)
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "av":
                openers.add(name)
    assert openers == {"speech.containers"}


def test_the_state_of_the_toolbox_imports_only_the_core_of_qt(repository: Path) -> None:
    for path in (repository / "toolbox" / "state").glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        names = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        assert {name for name in names if name.startswith("PyQt5")} <= {"PyQt5.QtCore"}, path


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


def import_cycles(graph: Graph) -> list[set[str]]:
    """The largest groups of modules in which each is reached from each other one, in order of their names."""
    reached = {module: _reached(graph, module) for module in graph}
    cycles: list[set[str]] = []
    for module in sorted(graph):
        if module in reached[module] and not any(module in cycle for cycle in cycles):
            cycles.append({other for other in reached[module] if module in reached.get(other, set())})
    return cycles


def _reached(graph: Graph, start: str) -> set[str]:
    """All modules that `start` imports, directly or not."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for target in graph.get(waiting.pop(), set()) - found:
            found.add(target)
            waiting.append(target)
    return found
