"""Model files listed by their headers."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.toy_models import save_toy_models
from toolbox.storage.model_files import NO_VOCODER, list_models, read_model_file, usual_vocoder, why_they_do_not_fit


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return save_toy_models(tmp_path_factory.mktemp("models"))


def test_each_stage_has_its_models_and_griffin_lim_needs_none(folder):
    models = list_models([folder, folder])
    assert [[model.name for model in models[stage]] for stage in ("encoder", "synthesizer", "vocoder")] == [
        ["encoder"], ["synthesizer"], ["vocoder (wavernn)", "Griffin-Lim (no model)"],
    ]  # fmt: skip
    assert models["vocoder"][-1] is NO_VOCODER and "no training" in NO_VOCODER.description


def test_a_header_says_what_is_inside(folder):
    vocoder = read_model_file(folder / "vocoder.safetensors")
    assert (vocoder.stage, vocoder.kind, vocoder.licence, vocoder.trained_on) == (
        "vocoder",
        "wavernn",
        "CC0",
        "nothing",
    )
    assert vocoder.size == (folder / "vocoder.safetensors").stat().st_size and vocoder.mel["n_mels"] == 80
    encoder = read_model_file(folder / "encoder.safetensors")
    assert encoder.embedding_space == "toy" and "embedding space toy" in encoder.description
    assert "wavernn vocoder" in vocoder.description and "licence CC0" in vocoder.description


def test_the_models_of_the_repository(repository):
    folder = repository / "models" / "default"
    models = list_models([repository / "models"], lambda path, reason: pytest.fail(f"{path}: {reason}"))
    encoder, synthesizer = models["encoder"][0], models["synthesizer"][0]
    assert encoder.step > 0 and encoder.licence and encoder.embedding_space == synthesizer.embedding_space
    usual = usual_vocoder(folder, models["vocoder"])
    assert usual.path is not None and why_they_do_not_fit(encoder, synthesizer, usual) == ""


def test_models_of_training_runs_are_found_and_named_by_their_run(folder, tmp_path):
    run = tmp_path / "runs" / "second"
    (run / "state").mkdir(parents=True)
    for name in ("best", "model", "state/extra"):
        shutil.copy(folder / "encoder.safetensors", run / f"{name}.safetensors")
    assert [model.name for model in list_models([tmp_path])["encoder"]] == ["second/best", "second/model"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "no safetensors"),
     (b"PK\x03\x04 a zip, with more", "no safetensors"), (b"\x05\0\0\0\0\0\0\0{torn", "damaged")],
)  # fmt: skip
def test_damaged_files_are_told_of(folder, tmp_path, content, reason):
    (tmp_path / "bad.safetensors").write_bytes(content)
    shutil.copy(folder / "encoder.safetensors", tmp_path / "good.safetensors")
    told: list[tuple[str, str]] = []
    models = list_models([tmp_path, tmp_path / "gone"], lambda path, why: told.append((path.name, why)))
    assert [model.name for model in models["encoder"]] == ["good"]
    assert len(told) == 1 and told[0][0] == "bad.safetensors" and reason in told[0][1]


def test_other_safetensors_are_passed_over_in_silence(tmp_path):
    header = json.dumps({"__metadata__": {"kind": "voice"}}).encode()
    (tmp_path / "ann.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    models = list_models([tmp_path], lambda path, reason: pytest.fail(reason))
    assert not models["encoder"] and models["vocoder"] == [NO_VOCODER]


def test_the_usual_vocoder_is_what_the_folder_says(folder, tmp_path):
    there = Path(shutil.copytree(folder, tmp_path / "models"))
    vocoders = list_models([there])["vocoder"]
    assert usual_vocoder(there, vocoders) is NO_VOCODER  # by defaults.json
    (there / "defaults.json").unlink()
    assert usual_vocoder(there, vocoders).path == there / "vocoder.safetensors"
    for damaged in ("{", "[]", '{"vocoder": "gone.safetensors"}'):
        (there / "defaults.json").write_text(damaged)
        assert usual_vocoder(there, vocoders) in vocoders


def test_models_that_do_not_fit_are_said(folder):
    from dataclasses import replace

    encoder, synthesizer = (read_model_file(folder / f"{stage}.safetensors") for stage in ("encoder", "synthesizer"))
    vocoder = read_model_file(folder / "vocoder.safetensors")
    assert why_they_do_not_fit(encoder, synthesizer, vocoder) == ""
    assert why_they_do_not_fit(encoder, synthesizer, NO_VOCODER) == ""
    assert "'elsewhere'" in why_they_do_not_fit(replace(encoder, embedding_space="elsewhere"), synthesizer, vocoder)
    other = replace(vocoder, mel={**vocoder.mel, "fmin": 40.0})
    assert "Griffin-Lim" in why_they_do_not_fit(encoder, synthesizer, other)


def test_listing_needs_no_torch(folder, repository):
    code = "import sys\nfrom toolbox.storage.model_files import list_models\n"
    code += "list_models([sys.argv[1]]); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True, cwd=repository
    )
    assert not {"torch", "PyQt5", "safetensors"} & set(done.stdout.split())
