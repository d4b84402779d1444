"""Settings of a Tacotron: ranges, and files of earlier versions."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from modelfile.header import read_header
from speech.errors import ConfigError, ModelFileError
from speech.mel_config import MelConfig
from synthesizer.options import EmbeddedVoice
from synthesizer.tacotron.config import Architecture, InferenceSettings, TacotronConfig, TrainingSettings, read_config
from synthesizer.tacotron.model import Tacotron2
from tests.synthesizer.toy import facade, load_file, toy_config, with_pitch

VOICE = EmbeddedVoice(np.full(256, 1 / 16, np.float32))
FORMER_CONFIG = {
    "n_symbols": 135, "symbol_size": 16, "encoder_size": 16, "encoder_kernel": 5, "encoder_layers": 1,
    "encoder_dropout": 0.3, "speaker_embedding_size": 256, "voice_emphasis": 1.5, "speaker_size": 8,
    "melody_size": 6, "melody_emphasis": 1.2, "attention": "dynamic-convolution", "attention_size": 16,
    "attention_filters": 4, "attention_kernel": 21, "prior_length": 11, "prior_alpha": 0.1, "prior_beta": 0.9,
    "prenet_sizes": [16, 12], "prenet_dropout": 0.5, "prenet_blur": 1.5, "decoder_size": 24, "zoneout": 0.1,
    "postnet_size": 12, "postnet_kernel": 5, "postnet_layers": 2, "postnet_dropout": 0.1,
    "postfilter_size": 12, "postfilter_layers": 2, "postfilter_kernel": 3, "pitch_gain": 1.3,
    "variance_gains": [1.1] * 80, "variance_emphasis": 0.5, "max_reduction_factor": 4, "reduction_factor": 2,
    "tail_steps": 3,
    "mel": {
        "sample_rate": 16000, "n_fft": 800, "hop_length": 200, "win_length": 800, "n_mels": 80, "fmin": 55.0,
        "fmax": 7600.0, "ref_level_db": 20.0, "min_level_db": -100.0, "max_abs_value": 4.0, "preemphasis": 0.97,
    },
}  # fmt: skip
FORMER_HEADER = {
    "format_version": "1", "stage": "synthesizer", "kind": "", "step": "12", "licence": "CC0", "trained_on": "toy",
    "embedding_space": "toy",
}  # fmt: skip


def former_file(path, model: Tacotron2, **changes) -> None:
    """Write a file as earlier versions did: one table of settings, no family, former tensor names."""
    weights = {
        name.replace("pitch_predictor.", "melody."): tensor.contiguous() for name, tensor in model.state_dict().items()
    }
    save_file(weights, path, {**FORMER_HEADER, "config": json.dumps({**FORMER_CONFIG, **changes})})


def test_former_file_loads_and_gives_the_same_mel(tmp_path) -> None:
    sizes = {"pitch_predictor_size": 6, "prenet_blur": 1.5, "postfilter_size": 12, "postfilter_layers": 2}
    torch.manual_seed(0)
    model = with_pitch(Tacotron2(toy_config(**sizes, postfilter_kernel=3))).eval()
    former_file(tmp_path / "former.safetensors", model)
    loaded = load_file(tmp_path / "former.safetensors")
    inference = InferenceSettings(2, 1.5, 1.2, 1.3, (1.1,) * 80, 0.5)
    assert loaded.config == TacotronConfig(model.config, TrainingSettings(0.3, 0.1, 3), inference)
    assert (loaded.step, loaded.licence, loaded.trained_on, loaded.embedding_space) == (12, "CC0", "toy", "toy")
    expected = facade(model, **dataclasses.asdict(inference)).synthesize("Hello there.", VOICE, seed=3)
    np.testing.assert_array_equal(loaded.synthesize("Hello there.", VOICE, seed=3).mel, expected.mel)

    loaded.save(tmp_path / "new.safetensors")
    header = read_header(tmp_path / "new.safetensors")
    assert header.kind == "tacotron" and set(header.config) == {"architecture", "training", "inference"}
    again = load_file(tmp_path / "new.safetensors")
    np.testing.assert_array_equal(again.synthesize("Hello there.", VOICE, seed=3).mel, expected.mel)


def test_default_model_loads(repository) -> None:
    header = read_header(repository / "models/default/synthesizer.safetensors")
    config = read_config(header)
    assert (config.inference.voice_emphasis, config.inference.pitch_gain) == (1.5, 1.396)
    assert (config.architecture.pitch_predictor_size, config.architecture.postfilter_size) == (128, 160)


def test_unknown_settings_of_a_former_file_are_refused(tmp_path) -> None:
    former_file(tmp_path / "former.safetensors", Tacotron2(toy_config()), colour="red")
    with pytest.raises(ModelFileError, match="colour"):
        load_file(tmp_path / "former.safetensors")


def test_settings_out_of_range_are_refused() -> None:
    for sizes in ({"attention": "none"}, {"encoder_kernel": 4}, {"zoneout": 1.0}, {"max_reduction_factor": 0}):
        with pytest.raises(ConfigError):
            toy_config(**sizes)
    with pytest.raises(ConfigError, match="max-abs-value"):
        toy_config(mel=MelConfig(max_abs_value=1.0))
    for training in ({"encoder_dropout": 1.0}, {"tail_steps": -1}):
        with pytest.raises(ConfigError):
            TrainingSettings(**training)
    for inference in ({"voice_emphasis": 0}, {"variance_gains": (11.0,)}, {"pitch_gain": float("nan")}):
        with pytest.raises(ConfigError):
            InferenceSettings(**inference)
    for mismatch in (InferenceSettings(reduction_factor=9), InferenceSettings(variance_gains=(1.0,))):
        with pytest.raises(ConfigError):
            TacotronConfig(inference=mismatch)
    assert Architecture.paper_sizes().decoder_size == 1024
