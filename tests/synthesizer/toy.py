"""A Tacotron small enough to train in a test."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from corpora.store import FeatureStore, FeatureWriter
from speech.mel import code_mel
from synthesizer import Synthesizer
from synthesizer.base import Origin
from synthesizer.batches import BatchConfig
from synthesizer.tacotron.config import Architecture, InferenceSettings, TacotronConfig
from synthesizer.tacotron.decoding import SentenceInput
from synthesizer.tacotron.inference import TacotronSynthesizer
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.task import LossConfig, TacotronTask
from synthesizer.text.front_end import text_to_transcript

TEXTS = ("Hello there.", "A cat sat on the mat.", "Yes, indeed it did.", "Good night to you all.")
HEADER = {"stage": "synthesizer", "kind": "tacotron", "embedding_space": "toy"}
SETTINGS = InferenceSettings()


def toy_config(**changes) -> Architecture:
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
    return Architecture(**{**sizes, **changes})


def facade(model: Tacotron2, **inference) -> TacotronSynthesizer:
    """The synthesizer of a network, with some inference settings."""
    return TacotronSynthesizer(
        model, TacotronConfig(model.config, inference=InferenceSettings(**inference)), Origin("toy")
    )


def load_file(path) -> TacotronSynthesizer:
    """Load a model file through the stage's facade."""
    synthesizer = Synthesizer.load(path)
    assert isinstance(synthesizer, TacotronSynthesizer)
    return synthesizer


def toy_task(model: Tacotron2, store: FeatureStore, losses: LossConfig | None = None, **options) -> TacotronTask:
    config = TacotronConfig(model.config, inference=options.pop("inference", SETTINGS))
    return TacotronTask(model, config, store, BatchConfig(), losses or LossConfig(), HEADER, **options)


def toy_run() -> Any:
    """A run directory whose TensorBoard writer counts images and keeps audio."""
    run = SimpleNamespace(images=0, audio={})

    def add_image(*_: object, **__: object) -> None:
        run.images += 1

    def add_audio(name: str, wav: np.ndarray, step: int, sample_rate: int) -> None:
        run.audio[name, step, sample_rate] = wav

    run.writer = SimpleNamespace(add_image=add_image, add_audio=add_audio)
    return run


def sentences(texts, voices, seeds=None, pitch_ranges=None) -> list[SentenceInput]:
    """Input of the decoder; seeds count up from 0 unless given."""
    count = len(texts)
    return [
        SentenceInput(*values)
        for values in zip(texts, voices, seeds or range(count), pitch_ranges or [1.0] * count, strict=True)
    ]


def with_pitch(model: Tacotron2) -> Tacotron2:
    """As if its pitch predictor were trained: the embedding of F0 starts at zero."""
    assert model.pitch_predictor is not None
    with torch.no_grad():
        model.pitch_predictor.from_pitch.weight.normal_(std=0.5, generator=torch.Generator().manual_seed(1))
    return model


def toy_store(
    directory, items: int = 8, frames: int = 30, pitch_array: str = "word_pitch", embedding_size: int = 256
) -> FeatureStore:
    """Rising tones in a few random voices; every fourth item is for validation."""
    rng = np.random.default_rng(0)
    with FeatureWriter(directory) as writer:
        writer.write_info({"stage": "synthesizer", "embedding_space": "toy"})
        for number in range(items):
            length = frames + 3 * number
            mel = np.full((length, 80), -4.0, np.float32)
            for frame in range(length):
                mel[frame, (frame + 5 * number) % 80] = 3.0
            voice = rng.normal(size=embedding_size).astype(np.float32)
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
                arrays[pitch_array] = rng.normal(scale=0.2, size=(words, 3)).astype(np.float32)
            writer.add(f"item{number}", arrays, meta)
    return FeatureStore(directory)
