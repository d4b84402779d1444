"""Conversion of public checkpoints, and what happens to hostile ones."""

import io
import pickle
import struct
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from modelfile import convert
from modelfile.convert import convert_beside, convert_files, convert_folder, main, model_file
from modelfile.header import ModelHeader, read_header
from modelfile.public import PROCESS, PUBLIC_SPACE, PublicCheckpoint, read_public_checkpoint
from speech.errors import ModelFileError, StorageError


class RunsOnLoading:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("executed"),)


def saved(value: object, path: Path, **options: bool) -> Path:
    torch.save(value, path, **options)
    return path


def pickle_bomb(path: Path) -> Path:
    return saved({"model_state": RunsOnLoading()}, path)


def old_pickle_bomb(path: Path) -> Path:
    path.write_bytes(pickle.dumps(RunsOnLoading()))
    return path


def cut_short(path: Path) -> Path:
    saved({"model_state": {"a": torch.zeros(5000)}}, path)
    path.write_bytes(path.read_bytes()[:9000])
    return path


def huge_view(path: Path) -> Path:
    return saved({"model_state": {"a": torch.zeros(1).expand(10**6, 10**6)}}, path)


def zip_bomb(path: Path) -> Path:
    saved({"model_state": {"a": torch.zeros(10_000_000)}}, path)
    plain = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    return path


def no_tensors(path: Path) -> Path:
    return saved({"model_state": {"a": "text"}}, path)


def unknown_model(path: Path) -> Path:
    return saved({"model_state": {"layer.weight": torch.zeros(2)}}, path)


def a_text(path: Path) -> Path:
    path.write_text("This is a text.")
    return path


def wrong_keys(path: Path) -> Path:
    """A speaker encoder without one of its tensors."""
    state = {f"lstm.{name}": value.detach() for name, value in torch.nn.LSTM(40, 8, 2).named_parameters()}
    del state["lstm.weight_hh_l0"]
    return saved({"model_state": state}, path)


def large_shape(path: Path) -> Path:
    """A tensor whose declared size has been made larger than the file."""
    saved({"model_state": {"a": torch.zeros(1000)}}, path)
    content = path.read_bytes()
    assert struct.pack("<H", 1000) in content
    path.write_bytes(content.replace(b"M" + struct.pack("<H", 1000), b"M" + struct.pack("<H", 65_000)))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (pickle_bomb, "more than tensors"),
        (old_pickle_bomb, "more than tensors"),
        (cut_short, "damaged"),
        (huge_view, "larger than the file"),
        (large_shape, "damaged"),
        (a_text, "is not a PyTorch file: give"),
        (wrong_keys, "not a model that can be converted"),
        (zip_bomb, "compressed"),
        (no_tensors, "no named tensors"),
        (unknown_model, "not a model that can be converted"),
    ],
)
def test_hostile_files_are_refused_in_one_sentence(make, reason, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    source = make(tmp_path / "model.pt")
    with pytest.raises(SystemExit) as stopped:
        main([str(source), "--out", str(tmp_path / "out")])
    message = capsys.readouterr().err
    assert stopped.value.code == 2
    assert reason in message and message.count("\n") == 1 and "Warning" not in message
    assert not (tmp_path / "executed").exists() and not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"hello, this is a text", struct.pack("<Q", 99) + b"{}"])
def test_other_files_are_refused_without_a_process(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_bytes(content)
    with pytest.raises(ModelFileError, match="is not a PyTorch file"):
        read_public_checkpoint(tmp_path / "text.pt")
    with pytest.raises(ModelFileError, match="no file"):
        read_public_checkpoint(tmp_path / "missing.pt")


@pytest.mark.slow
def test_the_process_can_open_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even code that runs in it, here instead of torch.load, reaches no file, socket or program."""
    attempts = """

def attempt():
    done = []
    for name, act in (
        ("file", lambda: open("/etc/hostname").close()),
        ("socket", lambda: socket.socket().close()),
        ("program", lambda: subprocess.run(["true"])),
    ):
        try:
            act()
            done.append(name)
        except OSError:
            pass
    _refuse("managed: " + ",".join(done))

"""
    script = PROCESS.read_text(encoding="utf-8")
    for old, new in (
        ("import torch", "import socket, subprocess, torch"),
        ("    try:\n        checkpoint = torch.load(", "    attempt()\n    try:\n        checkpoint = torch.load("),
        ("\n\ndef main()", attempts + "def main()"),
    ):
        assert script.count(old) == 1
        script = script.replace(old, new)
    (tmp_path / "attempts.py").write_text(script, encoding="utf-8")
    monkeypatch.setattr("modelfile.public.PROCESS", tmp_path / "attempts.py")
    with pytest.raises(ModelFileError, match=r"managed:\.$"):
        read_public_checkpoint(saved({"model_state": {"a": torch.zeros(2)}}, tmp_path / "model.pt"))


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_and_step_come_back(zipped: bool, tmp_path: Path) -> None:
    values = torch.arange(6, dtype=torch.float64).view(2, 3).T
    state = {"module.a": values, "module.b": torch.tensor([3], dtype=torch.int32), "step": torch.zeros(1)}
    path = saved(
        {"step": 7, "model_state": state, "optimizer_state": {"lr": 1.0}},
        tmp_path / "model.pt",
        _use_new_zipfile_serialization=zipped,
    )
    found = read_public_checkpoint(path)
    assert set(found.tensors) == {"a", "b"} and found.step == 7 and found.name == "model.pt"
    torch.testing.assert_close(found.tensors["a"], values.float())


def test_a_bare_state_dict_is_read(tmp_path: Path) -> None:
    found = read_public_checkpoint(saved({"a": torch.ones(2), "step": torch.tensor([5])}, tmp_path / "model.pt"))
    assert set(found.tensors) == {"a"} and found.step == 5


# --- a folder of models, with toy families


@pytest.fixture
def toy_families(monkeypatch: pytest.MonkeyPatch) -> None:
    """A family for each stage, whose checkpoints have a tensor of its name; the encoder's space is its value."""

    def family_of_stage(stage: str) -> SimpleNamespace:
        def convert(checkpoint: PublicCheckpoint):
            if stage not in checkpoint.tensors:
                return None
            space = {"encoder": "own", "synthesizer": PUBLIC_SPACE, "vocoder": ""}[stage]
            return ModelHeader(stage, "toy", step=checkpoint.step, embedding_space=space), dict(checkpoint.tensors)

        return SimpleNamespace(kind="toy", convert=convert, load=lambda *_: None)

    families = {stage: {"toy": family_of_stage(stage)} for stage in ("encoder", "synthesizer", "vocoder")}
    monkeypatch.setattr("modelfile.convert.families_of", families.__getitem__)
    monkeypatch.setattr(
        "modelfile.convert.read_public_checkpoint",
        lambda path: PublicCheckpoint(Path(path).name, {Path(path).stem: torch.ones(1)}, 3, "0" * 64),
    )


def test_files_become_the_models_of_a_folder(toy_families: None, tmp_path: Path, capsys) -> None:
    outputs = convert_files(["synthesizer.pt", "vocoder.pt", "encoder.pt"], tmp_path)
    assert list(outputs) == ["encoder", "synthesizer", "vocoder"]
    headers = {stage: read_header(output) for stage, output in outputs.items()}
    assert [path.name for path in outputs.values()] == [f"{stage}.safetensors" for stage in outputs]
    assert headers["synthesizer"].embedding_space == headers["encoder"].embedding_space == "own"
    made_of = headers["vocoder"].extra
    assert (made_of["converted_from"], made_of["source_sha256"]) == ("vocoder.pt", "0" * 64)
    main(["vocoder.pt", "--out", str(tmp_path), "--force"])
    assert "vocoder (toy) of vocoder.pt, step 3" in capsys.readouterr().out


def test_a_synthesizer_alone_belongs_to_the_public_encoder(toy_families: None, tmp_path: Path) -> None:
    outputs = convert_files(["synthesizer.pt"], tmp_path)
    assert read_header(outputs["synthesizer"]).embedding_space == PUBLIC_SPACE


def test_nothing_is_overwritten_or_written_in_part(toy_families: None, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="both for the vocoder stage"):
        convert_files(["encoder.pt", "vocoder.pt", "more/vocoder.pt"], tmp_path)
    with pytest.raises(ModelFileError, match="not a model that can be converted"):
        convert_files(["encoder.pt", "something.pt"], tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "vocoder.safetensors").write_text("precious")
    with pytest.raises(StorageError, match="--force"):
        convert_files(["encoder.pt", "vocoder.pt"], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["vocoder.safetensors"]


@pytest.mark.parametrize("saves", [0, 1, 2])
def test_an_interrupted_conversion_of_a_folder_is_completed(
    toy_families: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saves: int
) -> None:
    for stage in convert.STAGES:
        (tmp_path / f"{stage}.pt").write_bytes(b"")
    save = convert._save
    done: list[Any] = []

    def interrupted(output: Path, model: convert.Converted) -> None:
        if len(done) == saves:
            raise KeyboardInterrupt
        done.append(output)
        save(output, model)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(convert, "_save", interrupted)
        convert_folder(tmp_path, convert=True)
    convert_folder(tmp_path, convert=True)
    spaces = [read_header(tmp_path / f"{stage}.safetensors").embedding_space for stage in convert.STAGES]
    assert spaces == ["own", "own", ""]


def test_nothing_is_converted_without_room_for_all(
    toy_families: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=100, free=11))  # three models of 4 bytes
    with pytest.raises(StorageError, match="disk is full"):
        convert_files(["synthesizer.pt", "vocoder.pt", "encoder.pt"], tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_is_converted_only_on_request(toy_families: None, tmp_path: Path) -> None:
    assert model_file("models/a.safetensors") == Path("models/a.safetensors")
    source = tmp_path / "vocoder.pt"
    with pytest.raises(ModelFileError, match="add --convert-checkpoints"):
        model_file(source)
    with pytest.raises(ModelFileError, match="no file"):
        model_file(source, convert=True)
    source.write_bytes(b"")
    output = model_file(source, convert=True)
    assert output == tmp_path / "vocoder.safetensors" and read_header(output).step == 3
    written = output.stat().st_mtime_ns
    assert model_file(source, convert=True).stat().st_mtime_ns == written  # it is there already


def test_files_are_converted_beside_together(toy_families: None, tmp_path: Path) -> None:
    sources = [tmp_path / "encoder.pt", tmp_path / "synthesizer.pt"]
    for source in sources:
        source.write_bytes(b"")
    steps: list[tuple[str, int, int]] = []
    outputs = convert_beside(sources, lambda *step: steps.append(step))
    assert outputs == [source.with_suffix(".safetensors") for source in sources]
    assert read_header(outputs[1]).embedding_space == "own"
    assert steps == [("encoder.pt", 0, 4), ("synthesizer.pt", 1, 4), ("encoder.pt", 2, 4), ("synthesizer.pt", 3, 4)]
    assert convert_beside(sources) == outputs  # replaces its own conversions
    (tmp_path / "vocoder.pt").write_bytes(b"")
    outputs[0].rename(tmp_path / "vocoder.safetensors")  # made of another file
    with pytest.raises(StorageError, match=r"was not made of vocoder\.pt"):
        convert_beside([tmp_path / "vocoder.pt"])
    with pytest.raises(StorageError, match=r"was not made of vocoder\.pt"):
        model_file(tmp_path / "vocoder.pt", convert=True)


def test_a_folder_of_checkpoints_is_converted_only_on_request(toy_families: None, tmp_path: Path) -> None:
    convert_folder(tmp_path)  # nothing to convert
    (tmp_path / "vocoder.pt").write_bytes(b"")
    convert_folder(tmp_path)  # Griffin-Lim needs no file
    (tmp_path / "encoder.pt").write_bytes(b"")
    with pytest.raises(ModelFileError, match="add --convert-checkpoints"):
        convert_folder(tmp_path)
    convert_folder(tmp_path, convert=True)
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == [
        "encoder.safetensors",
        "vocoder.safetensors",
    ]
    convert_folder(tmp_path)
