"""README and documents: their format, their links, and the code that they show."""

import importlib.util
import itertools
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from corpora.store import FeatureWriter
from modelfile.families import families_of
from speech.mel import code_mel, synthesis_mel
from speech.mel_config import MelConfig
from tests.toy_models import speech_like

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("*/*/README.md")])


def without_code(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", without_code(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short() -> None:
    text = (REPOSITORY / "README.md").read_text()
    assert len(text.splitlines()) < 150
    assert max(map(len, without_code(text).splitlines())) < 120


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} does not exist"
        if anchor:
            assert anchor in anchors(target), f"{link} has no such heading"


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    """The script that runs the documents' commands."""
    path = REPOSITORY / ".ci" / "run_documents.py"
    if not path.is_file():
        pytest.skip("this is not a checkout")
    spec = importlib.util.spec_from_file_location("run_documents", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # for its dataclasses
    spec.loader.exec_module(module)
    return module


def test_every_exception_of_the_documents_commands_is_needed(runner: ModuleType) -> None:
    assert runner.unused_entries() == []
    assert {"README.md", "docs/training.md", "models/default/README.md"} <= set(runner.all_pages())


def test_commands_are_read_as_a_shell_reads_them(runner: ModuleType) -> None:
    block = "# a comment\npython a.py --x 1 \\\n    --y 2  # why\n\necho '#1' | cat\n"
    assert [*runner.shell_commands(block)] == ["python a.py --x 1 --y 2", "echo '#1' | cat"]


def guide_commands() -> list[list[str]]:
    """The commands of the training guide, as words."""
    blocks = re.findall(r"```bash\n(.*?)```", (REPOSITORY / "docs" / "training.md").read_text(), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [line[1:] for line in words if line[:1] == ["python"] and line[1].endswith(".py")]


def test_each_command_of_the_training_guide_uses_what_an_earlier_one_has_made() -> None:
    made: set[str] = set()
    for words in guide_commands():
        outputs = {words[words.index(flag) + 1] for flag in ("--out", "--run") if flag in words}
        read = {re.sub(r"/[^/]+\.safetensors$", "", word) for word in words if word.startswith(("runs/", "stores/"))}
        assert read - outputs <= made, words
        if "--resume" in words:
            assert outputs <= made, words
        made |= outputs


def test_synthesizers_of_the_training_guide_are_used_with_the_encoder_of_their_store() -> None:
    encoders: dict[str, str] = {}  # of stores and runs
    for script, *words in guide_commands():
        given = dict(itertools.pairwise(words))
        encoder = given.get("--encoder", "")
        if script == "preprocess.py":
            encoders[given["--out"]] = encoder
        elif script == "train_synth.py" and "--resume" not in words and "--adapt" not in words:
            encoders[given["--run"]] = encoders[words[0]]
        elif script == "demo_cli.py":
            assert encoder == encoders.get(str(Path(given["--synthesizer"]).parent), ""), words
    assert encoders["runs/synthesizer"] == "runs/encoder/best.safetensors"


@pytest.mark.slow
def test_the_python_example_runs_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    (tmp_path / "samples").symlink_to(REPOSITORY / "samples")
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        exec(example, {})
    assert (tmp_path / "result.wav").stat().st_size > 10_000


@pytest.fixture
def linear_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The family of docs/add-a-family.md, in a folder that belongs to the package `vocoder` meanwhile."""
    import vocoder

    text = (REPOSITORY / "docs" / "add-a-family.md").read_text()
    folder = tmp_path / "families" / "linear"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    for name, code in re.findall(r"```python\n# vocoder/linear/(\w+\.py)\n(.*?)```", text, re.DOTALL):
        (folder / name).write_text(code)
    monkeypatch.setattr(vocoder, "__path__", [*vocoder.__path__, str(folder.parent)])
    families_of.cache_clear()
    yield
    families_of.cache_clear()
    for name in [name for name in sys.modules if name.startswith("vocoder.linear")]:
        del sys.modules[name]


@pytest.fixture
def vocoder_store(tmp_path: Path) -> Path:
    """Three utterances, one of them for validation."""
    path = tmp_path / "store"
    with FeatureWriter(path) as writer:
        writer.write_info({"stage": "vocoder", "mel_config": vars(MelConfig())})
        for number in range(3):
            wav = speech_like(0.5, seed=number)
            mel = synthesis_mel(wav).T
            samples = np.zeros(200 * len(mel), np.int16)
            samples[: len(wav)] = np.rint(32767 * wav)[: len(samples)]
            meta = {"speaker": "a", "corpus": "toy", "split": "train" if number else "validation"}
            writer.add(f"toy/{number}", {"mel": code_mel(mel), "wav": samples}, meta)
    return path


def test_the_example_of_a_family_trains_saves_loads_and_vocodes(
    linear_family: None, vocoder_store: Path, tmp_path: Path
) -> None:
    from corpora.store import FeatureStore
    from training.loop import fit
    from vocoder import Vocoder

    family, store = families_of("vocoder")["linear"], FeatureStore(vocoder_store)
    assert family.training_flags is not None and family.plan is not None
    flags = family.training_flags(vocoder_store, run=tmp_path / "run", steps=4, threads=1)
    plan = family.plan(flags, store, flags.run)
    fit(plan.task, plan.batches, plan.fit, flags.run, settings=plan.settings)
    loaded = Vocoder.load(tmp_path / "run" / "best.safetensors")
    mel = synthesis_mel(speech_like(0.5))
    wav = loaded.vocode(mel)
    assert loaded.kind == "linear" and wav.shape == (200 * mel.shape[1],)
    np.testing.assert_array_equal(np.concatenate(list(loaded.stream(mel))), wav)
    loaded.save(tmp_path / "again.safetensors")
    np.testing.assert_array_equal(Vocoder.load(tmp_path / "again.safetensors").vocode(mel), wav)
