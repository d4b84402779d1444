"""A synthesizer small enough to train in a test."""

import numpy as np

from speech.features import FeatureStore, FeatureWriter
from speech.mel import code_mel
from synthesizer.config import SynthesizerConfig
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
            writer.add(f"item{number}", {"mel": code_mel(mel), "embedding": voice / np.linalg.norm(voice)}, meta)
    return FeatureStore(directory)
