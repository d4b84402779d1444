"""Untrained toy models for all three stages, and a synthetic signal that a voice activity detector accepts as speech.

Their output is not language, but it has duration, level and spectrum, and runs through the same code as trained models.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from encoder import SpeakerEncoder
    from synthesizer import Synthesizer
    from vocoder import Vocoder

TOY_SPACE = "toy"
NO_SIZES: Mapping[str, Any] = MappingProxyType({})
EMBEDDING_SIZE = 16
SAMPLE_RATE = 16_000


def toy_encoder(seed: int = 0, space: str = TOY_SPACE) -> SpeakerEncoder:
    """One untrained LSTM layer of 16, over log mels."""
    import torch

    from encoder.lstm.config import LSTMConfig
    from encoder.lstm.inference import LSTMEncoder
    from encoder.lstm.model import SpeakerEncoderModel

    config = LSTMConfig(hidden_size=16, num_layers=1, embedding_size=EMBEDDING_SIZE, compression="log")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SpeakerEncoderModel(config)
    return LSTMEncoder(model, embedding_space=space, licence="CC0", trained_on="nothing")


def toy_synthesizer(
    seed: int = 0, space: str = TOY_SPACE, sizes: Mapping[str, Any] = MappingProxyType({})
) -> Synthesizer:
    """A Tacotron 2 with 8 to 16 units per layer. The prior alone moves its attention to the end of the text.

    Args:
        sizes: further sizes of `Architecture`, such as those of a postfilter and a refiner.
    """
    import torch

    from synthesizer.base import Origin
    from synthesizer.tacotron.config import Architecture, TacotronConfig
    from synthesizer.tacotron.inference import TacotronSynthesizer
    from synthesizer.tacotron.model import Tacotron2

    config = Architecture(
        symbol_size=8, encoder_size=8, encoder_layers=1, speaker_embedding_size=EMBEDDING_SIZE, speaker_size=4,
        attention_size=8, attention_filters=2, attention_kernel=5, prenet_sizes=(8, 8), decoder_size=16,
        postnet_size=8, postnet_layers=1, **sizes,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = Tacotron2(config)
        model.to_stop.bias.fill_(-10.0)  # the attention alone ends the output: it stays at the end of the text
        # A falling spectrum as in speech, varied by the decoder.
        slope = torch.linspace(1.5, -2.5, config.mel.n_mels).repeat(config.max_reduction_factor)
        model.to_frames.bias.copy_(slope)
        model.to_frames.weight.mul_(4)
    return TacotronSynthesizer(model, TacotronConfig(config), Origin(space, "CC0", "nothing"))


def toy_vocoder(seed: int = 0) -> Vocoder:
    """A compact WaveRNN with one GRU of 8. Its output is noise."""
    import torch

    from vocoder.wavernn.config import WaveRNNConfig
    from vocoder.wavernn.inference import WaveRNNVocoder
    from vocoder.wavernn.model import build_wavernn

    config = WaveRNNConfig(hidden_size=8, fc_size=8, condition_size=4, residual_size=4, sample_embedding_size=4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_wavernn(config)
    return WaveRNNVocoder(model, licence="CC0", trained_on="nothing")


def save_toy_models(folder: Path) -> Path:
    """Write the three model files into a folder, as in `models/default`, with Griffin-Lim as the default vocoder.

    (The toy WaveRNN generates sample by sample, which takes seconds.)
    """
    folder.mkdir(parents=True, exist_ok=True)
    toy_encoder().save(folder / "encoder.safetensors")
    toy_synthesizer().save(folder / "synthesizer.safetensors")
    toy_vocoder().save(folder / "vocoder.safetensors")
    (folder / "defaults.json").write_text('{"vocoder": "griffin-lim"}\n')
    return folder


def speech_like(seconds: float = 4.5, pitch: float = 120.0, seed: int = 0) -> np.ndarray:
    """Harmonics of a varying F0 under three moving formants, four syllables per second.

    Args:
        seconds: duration.
        pitch: mean F0 in Hz.
        seed: of the background noise.

    Returns:
        float32 [seconds * 16000], peak 0.5.
    """
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    fundamental = pitch * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * t) + 0.03 * np.sin(2 * np.pi * 2.3 * t))
    phase = 2 * np.pi * np.cumsum(fundamental) / SAMPLE_RATE
    wav = np.zeros_like(t)
    for harmonic in range(1, int(3500 / pitch)):
        for number, formant in enumerate((500, 1500, 2500), start=1):
            centre = formant * (1 + 0.3 * np.sin(2 * np.pi * 2 * t + formant))
            gain = np.exp(-(((harmonic * fundamental - centre) / 200) ** 2)) / number
            wav += gain * np.sin(harmonic * phase)
    wav *= np.clip(1.8 * np.sin(2 * np.pi * 2 * t) ** 2 - 0.6, 0, 1)  # silences, to measure the noise level in
    wav = 0.5 * wav / np.max(np.abs(wav))
    return (wav + 1e-4 * rng.standard_normal(len(t))).astype(np.float32)
