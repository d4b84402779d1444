"""The cache of loaded models."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from cloning import VoiceCloner
from cloning.models import ModelFiles
from cloning.speech_model import TwoStage
from speech.errors import ConfigError, ModelFileError
from tests.toy_models import toy_encoder
from toolbox import jobs
from toolbox.jobs.context import JobContext


def loaded(models: jobs.Models, context: JobContext, files: ModelFiles) -> dict[str, Any]:
    """The facade of each stage."""
    cloner = models.load(context, files)
    assert isinstance(cloner, VoiceCloner) and isinstance(cloner.model, TwoStage)
    return {"encoder": cloner.encoder, "synthesizer": cloner.model.synthesizer, "vocoder": cloner.model.vocoder}


def test_a_stage_is_loaded_once_and_again_when_its_file_changes(folder, tmp_path, make_recorder):
    here = Path(shutil.copytree(folder, tmp_path / "models"))
    models, recorder, files = jobs.Models("cpu"), make_recorder(), ModelFiles.find(here)
    first = loaded(models, recorder.context, files)
    stages = ("encoder", "synthesizer", "vocoder")
    assert [stage for stage, *_ in recorder.progress] == [f"Loading the {stage}" for stage in stages]
    quiet = make_recorder()
    again = loaded(models, quiet.context, files)
    assert again["encoder"] is first["encoder"] and again["vocoder"] is first["vocoder"] and quiet.progress == []
    toy_encoder(seed=1).save(here / "encoder.safetensors")
    changed = loaded(models, quiet.context, files)
    assert changed["encoder"] is not first["encoder"] and changed["synthesizer"] is first["synthesizer"]
    wavernn = ModelFiles.find(here, vocoder=here / "vocoder.safetensors")
    other = loaded(models, quiet.context, wavernn)
    assert other["vocoder"].kind == "wavernn" and other["synthesizer"] is first["synthesizer"]
    assert models.descriptions(wavernn)["vocoder"] == "vocoder.safetensors, step 0"


def test_loading_warms_up_and_describes_the_models(models, files, recorder):
    assert jobs.load_models(recorder.context, models, files) == {
        "encoder": "encoder.safetensors, step 0",
        "synthesizer": "synthesizer.safetensors, step 0",
        "vocoder": "griffin-lim",
    }
    recorder.check_progress()


def test_incompatible_and_missing_models_are_refused(folder, tmp_path):
    here = Path(shutil.copytree(folder, tmp_path / "models"))
    files = ModelFiles.find(here)
    toy_encoder(space="elsewhere").save(here / "encoder.safetensors")
    with pytest.raises(ConfigError, match="'elsewhere'"):
        jobs.load_models(JobContext(), jobs.Models("cpu"), files)
    (here / "encoder.safetensors").unlink()
    with pytest.raises(ModelFileError, match="no model file"):
        jobs.load_models(JobContext(), jobs.Models("cpu"), files)


def test_pytorch_uses_the_given_number_of_threads(files):
    import torch

    before = torch.get_num_threads()
    try:
        for threads in (2, 1):
            jobs.Models("cpu", threads=threads).load(JobContext(), files)
            assert torch.get_num_threads() == threads
        assert jobs.Models("cpu").threads == 1
    finally:
        torch.set_num_threads(before)
