"""Lists of model files with the content of their headers."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cloning.models import ModelFiles
from modelfile.families import families_of
from speech.errors import ModelFileError
from speech.mel_config import MelConfig
from tests.synthesizer.vits.toy import toy_vits
from tests.toy_models import save_toy_models
from toolbox.storage.model_files import incompatibility, list_models, paths_of, read_model_file


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return save_toy_models(tmp_path_factory.mktemp("models"))


def named(stage: str) -> str:
    """A file with the default family."""
    kinds = list(families_of(stage))
    return f"{stage} ({kinds[0]})" if kinds else stage


def test_models_are_listed_by_stage_with_vocoders_that_need_no_file(folder):
    models = list_models([folder, folder])
    assert [[model.name for model in models[stage]] for stage in ("encoder", "synthesizer", "vocoder")] == [
        ["encoder (lstm)"], [named("synthesizer")], ["vocoder (wavernn)", "griffin-lim (no model file)"],
    ]  # fmt: skip
    fileless = [kind for kind, family in families_of("vocoder").items() if not family.needs_file]
    assert [model.header.kind for model in models["vocoder"] if model.path is None] == fileless
    assert "no training" in models["vocoder"][-1].description


def test_a_header_describes_the_model(folder):
    vocoder = read_model_file(folder / "vocoder.safetensors")
    header = vocoder.header
    assert (header.stage, header.kind, header.licence, header.trained_on) == ("vocoder", "wavernn", "CC0", "nothing")
    assert vocoder.size == (folder / "vocoder.safetensors").stat().st_size
    encoder = read_model_file(folder / "encoder.safetensors")
    assert encoder.header.embedding_space == "toy" and "embedding space toy" in encoder.description
    assert "wavernn vocoder" in vocoder.description and "licence CC0" in vocoder.description


def test_the_models_of_the_repository(repository):
    folder = repository / "models" / "default"
    models = list_models([repository / "models"], lambda path, reason: pytest.fail(f"{path}: {reason}"))
    encoder, synthesizer = models["encoder"][0], models["synthesizer"][0]
    assert encoder.header.step > 0 and encoder.header.licence
    default = ModelFiles.find(folder).vocoder
    vocoder = next(model for model in models["vocoder"] if model.path == default)
    assert incompatibility(encoder, synthesizer, vocoder) == ""


def test_an_end_to_end_synthesizer_fits_every_vocoder(folder, tmp_path):
    mel = MelConfig(n_fft=1024, win_length=1024)
    toy_vits(mel=mel).save(tmp_path / "vits.safetensors")
    files = (folder / "encoder.safetensors", tmp_path / "vits.safetensors", folder / "vocoder.safetensors")
    assert incompatibility(*map(read_model_file, files)) == ""


def test_models_of_training_runs_are_named_by_their_run(folder, tmp_path):
    run = tmp_path / "runs" / "second"
    (run / "state").mkdir(parents=True)
    for name in ("best", "model", "state/extra"):
        shutil.copy(folder / "encoder.safetensors", run / f"{name}.safetensors")
    assert [model.name for model in list_models([tmp_path])["encoder"]] == [
        "second/best (lstm)", "second/model (lstm)",
    ]  # fmt: skip


def test_converted_models_are_named_by_their_folder(folder, tmp_path):
    public = read_model_file(folder / "vocoder.safetensors")
    header = replace(public.header, extra={"converted_from": "vocoder.pt"})
    converted = replace(public, path=tmp_path / "rtvc/vocoder.safetensors", header=header)
    assert converted.name == "rtvc/vocoder (wavernn)" and "converted from vocoder.pt" in converted.description
    assert "converted" not in public.description


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "not a safetensors"), (b"PK\x03\x04 a zip, with more", "pickled"),
     (b"\x05\0\0\0\0\0\0\0{torn", "damaged")],
)  # fmt: skip
def test_damaged_files_are_reported(folder, tmp_path, content, reason):
    (tmp_path / "bad.safetensors").write_bytes(content)
    shutil.copy(folder / "encoder.safetensors", tmp_path / "good.safetensors")
    reported: list[tuple[str, str]] = []
    models = list_models([tmp_path, tmp_path / "gone"], lambda path, why: reported.append((path.name, why)))
    assert [model.name for model in models["encoder"]] == ["good (lstm)"]
    assert len(reported) == 1 and reported[0][0] == "bad.safetensors" and reason in reported[0][1]


def test_other_safetensors_files_are_skipped_silently(tmp_path):
    header = json.dumps({"__metadata__": {"kind": "voice"}}).encode()
    (tmp_path / "ann.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    models = list_models([tmp_path], lambda path, reason: pytest.fail(reason))
    assert not models["encoder"] and all(model.path is None for model in models["vocoder"])


def test_paths_find_the_same_files_again(folder):
    for vocoder in ("griffin-lim", "wavernn"):
        files = ModelFiles.find(folder, vocoder=vocoder)
        assert ModelFiles.find(folder, **paths_of(files)) == files
    with pytest.raises(ModelFileError, match="no model file"):
        read_model_file(folder / "gone.safetensors")


def test_incompatible_models_are_reported(folder):
    encoder, synthesizer = (read_model_file(folder / f"{stage}.safetensors") for stage in ("encoder", "synthesizer"))
    vocoder = read_model_file(folder / "vocoder.safetensors")
    assert incompatibility(encoder, synthesizer, vocoder) == ""
    assert incompatibility(encoder, synthesizer, list_models([])["vocoder"][0]) == ""
    elsewhere = replace(encoder, header=replace(encoder.header, embedding_space="elsewhere"))
    assert "'elsewhere'" in incompatibility(elsewhere, synthesizer, vocoder)
    config = {**vocoder.header.config, "mel": {**vocoder.header.config["mel"], "fmin": 40.0}}
    other = replace(vocoder, header=replace(vocoder.header, config=config))
    assert "mel settings" in incompatibility(encoder, synthesizer, other)


def test_listing_needs_no_torch(folder, repository):
    code = "import sys\nfrom toolbox.storage.model_files import list_models\n"
    code += "list_models([sys.argv[1]]); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True, cwd=repository
    )
    assert not {"torch", "PyQt5"} & set(done.stdout.split())
