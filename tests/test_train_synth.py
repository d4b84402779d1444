"""The synthesizer's training script: it trains, stops, goes on as if it had not stopped, and says what is wrong."""

import dataclasses
import functools
import json

import numpy as np
import pytest
import torch

from encoder.lstm.config import LSTMConfig
from encoder.lstm.inference import LSTMEncoder
from encoder.lstm.model import SpeakerEncoderModel
from modelfile.checkpoint import load_weights
from preparation.synthesizer import Synthesizer as Settings
from speech.alignment import Segment
from speech.audio import write_audio
from speech.errors import ConfigError
from synthesizer import Synthesizer
from synthesizer.tacotron.config import SynthesizerConfig
from synthesizer.tacotron.model import Tacotron2
from tests.synthesizer.toy import toy_config, toy_store
from tests.toy_models import speech_like, toy_encoder, toy_synthesizer
from train_synth import Arguments, main, parse_schedule


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return toy_store(tmp_path_factory.mktemp("store")).directory


def arguments(store, run, **changes) -> Arguments:
    settings = {
        "batch_frames": 120,
        "precision": "fp32",
        "threads": 1,
        "device": "cpu",
        "save_every": 0,
        "validate_every": 0,
        "reduction_schedule": ("0:4", "3:2"),
        "model": toy_config(),
    }
    return Arguments(store, run=run, **{**settings, **changes})


def test_resumed_training_equals_uninterrupted_training(store, tmp_path) -> None:
    main(arguments(store, tmp_path / "whole", steps=6))
    main(arguments(store, tmp_path / "parts", steps=6, max_minutes=1e-9))  # stops after the first step
    main(arguments(store, tmp_path / "parts", steps=6, resume=True))
    whole = load_weights(tmp_path / "whole" / "model.safetensors")
    parts = load_weights(tmp_path / "parts" / "model.safetensors")
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name


def test_the_model_file_is_a_synthesizer_that_can_be_started_from(store, tmp_path) -> None:
    main(arguments(store, tmp_path / "first", steps=2))
    path = tmp_path / "first" / "model.safetensors"
    synthesizer = Synthesizer.load(path)
    assert synthesizer.embedding_space == "toy" and synthesizer.trained_on == "toy"
    assert synthesizer.config.reduction_factor == 4
    main(arguments(store, tmp_path / "second", steps=1, warm_start=path))
    lines = [json.loads(line) for line in (tmp_path / "second" / "log.jsonl").read_text().splitlines()]
    assert any("loss" in line for line in lines)


def test_what_a_model_has_stays_where_it_is_trained_further(store, tmp_path) -> None:
    base = Tacotron2(toy_config(melody_size=6, postfilter_size=10, voice_emphasis=1.5, variance_gains=(1.2,) * 80))
    assert base.postfilter is not None
    torch.nn.init.normal_(base.postfilter.of_mel.leave.weight)
    Synthesizer(base, embedding_space="toy").save(tmp_path / "base.safetensors")
    flags = SynthesizerConfig(prenet_blur=2.0)  # all others as they are by default
    main(arguments(store, tmp_path / "run", steps=2, warm_start=tmp_path / "base.safetensors", model=flags))
    further = Synthesizer.load(tmp_path / "run" / "best.safetensors")
    assert further.config == dataclasses.replace(base.config, prenet_blur=2.0, reduction_factor=4)
    assert further.model.postfilter is not None
    for name, value in base.postfilter.state_dict().items():
        assert torch.equal(value, further.model.postfilter.state_dict()[name]), name


def test_what_is_said_freely_may_be_listened_to(store, tmp_path) -> None:
    encoder = SpeakerEncoderModel(LSTMConfig(hidden_size=16, num_layers=1, embedding_size=256, compression="log"))
    LSTMEncoder(encoder, embedding_space="toy").save(tmp_path / "encoder.safetensors")
    main(arguments(store, tmp_path / "run", steps=1, free_voice_loss=1.0, encoder=tmp_path / "encoder.safetensors"))
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert any("free_voice" in line for line in lines)


def clips_folder(folder, count: int):
    for number in range(count):
        path = folder / f"{number}.wav"
        folder.mkdir(exist_ok=True)
        write_audio(path, np.pad(speech_like(2.4, seed=number), 4000))
        path.with_suffix(".txt").write_text("the birch canoe slid on the smooth planks", encoding="utf-8")
    return folder


def test_adapting_to_a_few_clips(store, tmp_path, monkeypatch, capsys) -> None:
    """From a folder of clips to a synthesizer of the same shape that has moved a little."""

    def whole(wav, text, **settings):
        return [Segment(0.0, len(wav) / 16_000, text, ())]

    monkeypatch.setattr("speech.alignment.split_at_silences", whole)
    # In this process, where the line above counts.
    monkeypatch.setattr("preparation.adaptation.Synthesizer", functools.partial(Settings, jobs=0))
    base, encoder = tmp_path / "base.safetensors", tmp_path / "encoder.safetensors"
    toy_synthesizer().save(base)
    toy_encoder().save(encoder)
    clips = clips_folder(tmp_path / "ann", 16)
    run = tmp_path / "run"
    main(Arguments(adapt=clips, run=run, warm_start=base, encoder=encoder, steps=2, precision="fp32", threads=1))
    adapted, first = Synthesizer.load(run / "model.safetensors"), Synthesizer.load(base)
    assert adapted.config == dataclasses.replace(first.config, voice_emphasis=1.0)
    assert adapted.embedding_space == first.embedding_space
    assert torch.equal(adapted.model.mean_embedding, first.model.mean_embedding)  # the mean of many voices stays
    moved = (adapted.model.to_frames.weight - first.model.to_frames.weight).abs().max()
    assert 0 < float(moved) < 0.01
    assert "adapting" in capsys.readouterr().out


def test_adapting_needs_speech_with_its_text(store, tmp_path, capsys) -> None:
    base, encoder = tmp_path / "base.safetensors", tmp_path / "encoder.safetensors"
    toy_synthesizer().save(base)
    toy_encoder().save(encoder)
    for clips, sentence in ((tmp_path / "nowhere", "There is no folder"), (tmp_path, "no usable recording")):
        with pytest.raises(SystemExit) as stop:
            main(Arguments(adapt=clips, run=tmp_path / "run", warm_start=base, encoder=encoder))
        assert stop.value.code == 2 and sentence in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(Arguments(store, adapt=tmp_path))
    assert "leave the other one away" in capsys.readouterr().err


@pytest.mark.parametrize("stairs", [(), ("4",), ("1:4",), ("0:4", "0:2"), ("0:0",), ("0:a",)])
def test_bad_schedules_are_refused(stairs) -> None:
    with pytest.raises(ConfigError):
        parse_schedule(stairs)


def test_a_missing_store_is_one_sentence_and_exit_code_2(tmp_path, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments(tmp_path / "nowhere", tmp_path / "run"))
    assert stop.value.code == 2
    assert "nowhere" in capsys.readouterr().err
