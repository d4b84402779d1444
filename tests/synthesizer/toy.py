"""A synthesizer small enough to train in a test."""

import numpy as np
import torch

from corpora.store import FeatureStore, FeatureWriter
from speech.mel import code_mel
from synthesizer.tacotron.config import SynthesizerConfig
from synthesizer.tacotron.model import Tacotron2
from synthesizer.text.front_end import text_to_transcript

TEXTS = ("Hello there.", "A cat sat on the mat.", "Yes, indeed it did.", "Good night to you all.")


def toy_config(**changes) -> SynthesizerConfig:
    sizes = {
        "symbol_size": 16,
        "encoder_size": 16,
        "encoder_layers": 1,
        "speaker_size": 8,
        "attention_size": 16,
        "attention_filters": 4,
        "prenet_sizes": (16, 12),
        "decoder_size": 24,
        "postnet_size": 12,
        "postnet_layers": 2,
    }
    return SynthesizerConfig(**{**sizes, **changes})


def with_melody(model: Tacotron2) -> Tacotron2:
    """As if it had learnt what to make of its melody, which has no effect at first."""
    assert model.melody is not None
    with torch.no_grad():
        model.melody.from_pitch.weight.normal_(std=0.5, generator=torch.Generator().manual_seed(1))
    return model


def toy_store(directory, items: int = 8, frames: int = 30) -> FeatureStore:
    """Tones that rise, in a few made-up voices; every fourth item is for validation."""
    rng = np.random.default_rng(0)
    with FeatureWriter(directory) as writer:
        writer.write_info({"stage": "synthesizer", "embedding_space": "toy"})
        for number in range(items):
            length = frames + 3 * number
            mel = np.full((length, 80), -4.0, np.float32)
            for frame in range(length):
                mel[frame, (frame + 5 * number) % 80] = 3.0
            voice = rng.normal(size=256).astype(np.float32)
            meta = {
                "speaker": f"s{number % 3}",
                "corpus": "toy",
                "split": "validation" if number % 4 == 3 else "train",
                "seconds": length / 80,
                "transcript": text_to_transcript(TEXTS[number % len(TEXTS)]).to_json(),
            }
            arrays = {"mel": code_mel(mel), "embedding": voice / np.linalg.norm(voice)}
            if number % 2:
                words = len(TEXTS[number % len(TEXTS)].split())
                arrays["word_melody"] = rng.normal(scale=0.2, size=(words, 3)).astype(np.float32)
            writer.add(f"item{number}", arrays, meta)
    return FeatureStore(directory)
