"""A Tacotron 1 small enough for a test."""

import torch

from synthesizer.base import Origin
from synthesizer.tacotron1.config import Architecture, InferenceSettings, Tacotron1Config
from synthesizer.tacotron1.inference import Tacotron1Synthesizer
from synthesizer.tacotron1.model import Tacotron1


def toy_config(**changes) -> Architecture:
    sizes = {
        "symbol_size": 12, "encoder_size": 16, "encoder_kernels": 3, "highways": 1, "decoder_size": 12,
        "prenet_sizes": (16, 12), "attention_filters": 4, "attention_kernel": 5, "lstm_size": 20,
        "max_reduction_factor": 4, "postnet_size": 16, "postnet_kernels": 3,
    }  # fmt: skip
    return Architecture(**{**sizes, **changes})


def toy_synthesizer(**changes) -> Tacotron1Synthesizer:
    torch.manual_seed(0)
    config = Tacotron1Config(toy_config(**changes), InferenceSettings(reduction_factor=2))
    return Tacotron1Synthesizer(Tacotron1(config.architecture), config, Origin("toy", "CC0", "nothing", 7))
