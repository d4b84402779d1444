"""A VITS small enough for a test, and a store with audio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from corpora.store import FeatureStore, FeatureWriter
from preparation.features import stored_mel, stored_samples
from speech.mel_config import MelConfig
from synthesizer.base import Origin
from synthesizer.text.front_end import text_to_transcript
from synthesizer.units.config import UnitConfig
from synthesizer.units.encoders import MfccUnits
from synthesizer.units.loading import file_digest
from synthesizer.vits.config import Architecture, InferenceSettings, VitsConfig
from synthesizer.vits.flags import DiscriminatorFlags, VitsFlags
from synthesizer.vits.inference import VitsSynthesizer
from synthesizer.vits.model import Vits

TEXTS = ("Yes.", "No, no.", "A cat.", "Good night.")
DISCRIMINATORS = DiscriminatorFlags(
    periods=(2, 3), period_channels=2, scales=(1,), scale_channels=4, resolutions=(64,), resolution_channels=2
)


def toy_architecture(**changes) -> Architecture:
    sizes = {
        "hidden_size": 12, "latent_size": 6, "encoder_layers": 1, "filter_size": 16, "encoder_dropout": 0.0,
        "posterior_layers": 2, "flow_couplings": 2, "flow_layers": 1, "gated_kernel": 3, "duration_size": 8,
        "duration_dropout": 0.0, "speaker_embedding_size": 16, "speaker_size": 6, "decoder_size": 16,
        "block_kernels": (3, 5), "block_dilations": (1, 2),
    }  # fmt: skip
    return Architecture(**{**sizes, **changes})


def toy_network(seed: int = 0, **changes) -> Vits:
    """Untrained, with a flow that is not the identity."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = Vits(toy_architecture(**changes))
        for coupling in network.flow.couplings:
            coupling.leave.weight.normal_(std=0.3)  # type: ignore[union-attr, operator]
    return network


def toy_vits(seed: int = 0, space: str = "toy", **changes) -> VitsSynthesizer:
    network = toy_network(seed, **changes)
    with torch.no_grad():
        network.duration_predictor.leave.bias.fill_(1.0)  # type: ignore[union-attr]
    config = VitsConfig(network.config, InferenceSettings(chunk_frames=20))
    return VitsSynthesizer(network, config, Origin(space, "CC0", "nothing", 7))


def toy_flags(store: FeatureStore, run: Path = Path("unused"), **changes) -> VitsFlags:
    given = {
        "store": store.directory, "run": run, "batch_frames": 200, "segment_frames": 12, "steps": 2, "device": "cpu",
        "precision": "fp32", "threads": 1, "architecture": toy_architecture(), "disc": DISCRIMINATORS,
        "discriminator_warmup_steps": 0,
    }  # fmt: skip
    return VitsFlags(**{**given, **changes})


def toy_audio_store(directory: Path, items: int = 8, silent: Sequence[int] = ()) -> FeatureStore:
    """Tones in noise of about half a second; every fourth item is for validation. Args: silent: without a text."""
    rng, config = np.random.default_rng(0), MelConfig()
    with FeatureWriter(directory) as writer:
        info = {"stage": "synthesizer", "embedding_space": "toy", "keep_audio": True, "units": "toy"}
        writer.write_info({**info, "text_optional": bool(silent)})
        for number in range(items):
            time = np.arange(7000 + 700 * number) / config.sample_rate
            wav = 0.3 * np.sin(2 * np.pi * (120 + 20 * number) * time) + 0.02 * rng.normal(size=len(time))
            mel = stored_mel(wav.astype(np.float32), config)
            voice = rng.normal(size=16).astype(np.float32)
            meta = {
                "speaker": f"s{number % 3}",
                "corpus": "toy",
                "split": "validation" if number % 4 == 3 else "train",
                "seconds": len(time) / config.sample_rate,
            }
            if number not in silent:
                meta["transcript"] = text_to_transcript(TEXTS[number % len(TEXTS)]).to_json()
            units = round(len(mel) * 50 / 80)
            arrays = {
                "mel": mel,
                "wav": stored_samples(wav, len(mel), config),
                "embedding": voice / np.linalg.norm(voice),
                "units": rng.integers(0, 10, units).astype(np.uint16),
                "unit_pitch": np.full(units, 120 + 20 * number, np.float32),
            }
            writer.add(f"item{number}", arrays, meta)
    return FeatureStore(directory)


def toy_units(count: int = 10) -> MfccUnits:
    """A unit encoder with random centroids."""
    centroids = np.random.default_rng(0).normal(size=(count, 39)).astype(np.float32)
    return MfccUnits(UnitConfig(units=count), centroids)


def save_toy_conversion(folder: Path, space: str = "toy", **changes) -> Path:
    """A model for speech to speech and its unit encoder, as a models folder has them."""
    folder.mkdir(parents=True, exist_ok=True)
    toy_units().save(folder / "units.safetensors")
    vits = toy_vits(space=space, **{"units": 10, "unit_pitch": True, **changes})
    vits.config = replace(vits.config, unit_file=file_digest(folder / "units.safetensors"))
    vits.save(folder / "conversion.safetensors")
    return folder
