"""The training script of the synthesizer: training, resuming, warm start, adaptation, errors."""

import dataclasses
import functools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from encoder.lstm.config import LSTMConfig
from encoder.lstm.inference import LSTMEncoder
from encoder.lstm.model import SpeakerEncoderModel
from modelfile.locations import ROOT
from preparation.synthesizer import Synthesizer as Settings
from speech.alignment import Segment
from speech.audio import write_audio
from speech.errors import ConfigError
from synthesizer.options import EmbeddedVoice
from synthesizer.tacotron.config import Architecture
from synthesizer.tacotron.flags import TacotronFlags
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.plan import parse_schedule
from tests.synthesizer.toy import facade, load_file, toy_config, toy_store
from tests.toy_models import speech_like, toy_encoder, toy_synthesizer
from tests.training.runs import differences
from train_synth import main
from training.flags import read_flags


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return toy_store(tmp_path_factory.mktemp("store")).directory


def flags_for(store, run, **changes) -> TacotronFlags:
    settings = {
        "batch_frames": 120,
        "precision": "fp32",
        "threads": 1,
        "device": "cpu",
        "save_every": 0,
        "validate_every": 0,
        "reduction_schedule": ("0:4", "3:2"),
        "architecture": toy_config(),
    }
    return TacotronFlags(store, run=run, **{**settings, **changes})


def test_resumed_training_equals_uninterrupted_training(store, tmp_path) -> None:
    main(flags_for(store, tmp_path / "whole", steps=6))
    main(flags_for(store, tmp_path / "parts", steps=6, max_minutes=1e-9))  # stops after the first step
    main(flags_for(store, tmp_path / "parts", steps=6, resume=True))
    assert differences(tmp_path / "parts", tmp_path / "whole") == []


def test_speech_after_twenty_steps_is_called_unintelligible(store, tmp_path) -> None:
    main(flags_for(store, tmp_path / "run", steps=20))
    synthesizer = load_file(tmp_path / "run" / "model.safetensors")
    voice = EmbeddedVoice(np.full(256, 1 / 16, np.float32))
    for text in ("Hello there.", "A cat sat on the mat.", "Yes, indeed it did."):
        (sentence,) = synthesizer.synthesize(text, voice, seed=1).sentences
        assert not sentence.intelligible and sentence.score == 0
        assert sentence.remarks[0].startswith("it is probably unintelligible: ") and sentence.attempts == 2


def test_model_file_loads_and_is_a_warm_start(store, tmp_path) -> None:
    main(flags_for(store, tmp_path / "first", steps=2))
    path = tmp_path / "first" / "model.safetensors"
    synthesizer = load_file(path)
    assert synthesizer.embedding_space == "toy" and synthesizer.trained_on == "toy"
    assert synthesizer.config.inference.reduction_factor == 4
    main(flags_for(store, tmp_path / "second", steps=1, warm_start=path))
    lines = [json.loads(line) for line in (tmp_path / "second" / "log.jsonl").read_text().splitlines()]
    assert any("loss" in line for line in lines)


def test_warm_start_keeps_the_settings_of_the_file(store, tmp_path) -> None:
    base = Tacotron2(toy_config(pitch_predictor_size=6, postfilter_size=10))
    synthesizer = facade(base, voice_emphasis=1.5, variance_gains=(1.2,) * 80)
    assert base.postfilter is not None
    torch.nn.init.normal_(base.postfilter.of_mel.leave.weight)
    synthesizer.save(tmp_path / "base.safetensors")
    sizes = Architecture(prenet_blur=2.0)  # the rest is the default
    main(flags_for(store, tmp_path / "run", steps=2, warm_start=tmp_path / "base.safetensors", architecture=sizes))
    further = load_file(tmp_path / "run" / "best.safetensors")
    assert further.config.architecture == dataclasses.replace(base.config, prenet_blur=2.0)
    assert further.config.inference == synthesizer.config.inference
    assert further.model.postfilter is not None
    for name, value in base.postfilter.state_dict().items():
        assert torch.equal(value, further.model.postfilter.state_dict()[name]), name


def test_speaker_loss_in_free_running(store, tmp_path) -> None:
    encoder = SpeakerEncoderModel(LSTMConfig(hidden_size=16, num_layers=1, embedding_size=256, compression="log"))
    LSTMEncoder(encoder, embedding_space="toy").save(tmp_path / "encoder.safetensors")
    main(flags_for(store, tmp_path / "run", steps=1, free_voice_loss=1.0, encoder=tmp_path / "encoder.safetensors"))
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert any("free_voice" in line for line in lines)


def clips_folder(folder, count: int):
    for number in range(count):
        path = folder / f"{number}.wav"
        folder.mkdir(exist_ok=True)
        write_audio(path, np.pad(speech_like(2.4, seed=number), 4000))
        path.with_suffix(".txt").write_text("the birch canoe slid on the smooth planks", encoding="utf-8")
    return folder


def test_adaptation_to_a_few_clips(store, tmp_path, monkeypatch, capsys) -> None:
    """From a folder of clips to a synthesizer of the same architecture with slightly different weights."""

    def whole(wav, text, **settings):
        return [Segment(0.0, len(wav) / 16_000, text, ())]

    monkeypatch.setattr("speech.alignment.split_at_silences", whole)
    # In this process, so that the line above has an effect.
    monkeypatch.setattr("preparation.adaptation.Synthesizer", functools.partial(Settings, jobs=0))
    base, encoder = tmp_path / "base.safetensors", tmp_path / "encoder.safetensors"
    toy_synthesizer().save(base)
    toy_encoder().save(encoder)
    clips = clips_folder(tmp_path / "ann", 16)
    run = tmp_path / "run"
    main(TacotronFlags(adapt=clips, run=run, warm_start=base, encoder=encoder, steps=2, precision="fp32", threads=1))
    adapted, first = load_file(run / "model.safetensors"), load_file(base)
    assert adapted.config.architecture == first.config.architecture
    assert adapted.config.inference == dataclasses.replace(first.config.inference, voice_emphasis=1.0)
    assert adapted.embedding_space == first.embedding_space
    assert torch.equal(adapted.model.mean_embedding, first.model.mean_embedding)  # still the mean of many voices
    change = (adapted.model.to_frames.weight - first.model.to_frames.weight).abs().max()
    assert 0 < float(change) < 0.01
    assert "adapting" in capsys.readouterr().out


def test_adaptation_needs_clips_with_text(store, tmp_path, capsys) -> None:
    base, encoder = tmp_path / "base.safetensors", tmp_path / "encoder.safetensors"
    toy_synthesizer().save(base)
    toy_encoder().save(encoder)
    for clips, sentence in ((tmp_path / "nowhere", "There is no folder"), (tmp_path, "no usable recording")):
        with pytest.raises(SystemExit) as stop:
            main(TacotronFlags(adapt=clips, run=tmp_path / "run", warm_start=base, encoder=encoder))
        assert stop.value.code == 2 and sentence in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(TacotronFlags(store, adapt=tmp_path))
    assert "not both" in capsys.readouterr().err


@pytest.mark.parametrize("stairs", [(), ("4",), ("1:4",), ("0:4", "0:2"), ("0:0",), ("0:a",)])
def test_malformed_schedules_are_refused(stairs) -> None:
    with pytest.raises(ConfigError):
        parse_schedule(stairs)


def test_missing_store_is_an_error_of_one_sentence(tmp_path, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main(flags_for(tmp_path / "nowhere", tmp_path / "run"))
    assert stop.value.code == 2
    assert "nowhere" in capsys.readouterr().err


def test_former_flags_are_accepted() -> None:
    words = ["stores/a", "--melody-size", "64", "--melody_emphasis=1.5", "--voice-emphasis", "1.2"]
    flags = read_flags("synthesizer", words)
    assert flags.architecture.pitch_predictor_size == 64
    assert (flags.inference.pitch_predictor_emphasis, flags.inference.voice_emphasis) == (1.5, 1.2)


def test_adaptation_resumes_in_its_own_default_run() -> None:
    assert (
        TacotronFlags.default_run(["--adapt", "clips", "--resume"]) == TacotronFlags(adapt=Path("clips")).resolved().run
    )
    assert TacotronFlags.default_run(["--resume"]) == TacotronFlags().run


def test_help_needs_no_torch() -> None:
    code = "import sys, train_synth\nfrom training.flags import families_of\nfamilies_of('synthesizer')\n"
    code += "print({'torch', 'scipy', 'numba'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "set()"
