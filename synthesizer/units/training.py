"""Train our own unit encoder by masked prediction, and cluster its features.

    python -m synthesizer.units.training stores/vocoder --run runs/units-1
    python -m synthesizer.units.training stores/vocoder --run runs/units-2 --labels runs/units-1/units.safetensors

The first run predicts clusters of MFCC, the second one the units of the first (arXiv 2106.07447). Transcripts are not
used. A run directory gets `units.safetensors`, and `mfcc.safetensors`, the units to compare with.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import tyro

from speech.errors import ConfigError, exit_on_speech_error
from synthesizer.units.config import MaskConfig, UnitConfig
from training.flags import Kind, TrainingFlags, fit_config, trained_on

OUTPUT, BASELINE = "units.safetensors", "mfcc.safetensors"
VALIDATION_RECORDINGS = 100


@dataclass(frozen=True)
class UnitFlags(TrainingFlags):
    """Train a unit encoder on a store that `preprocess.py vocoder` made. To resume, repeat the flags."""

    kind: Kind = "network"
    run: Path = Path("runs/units")
    steps: int = 10_000
    learning_rate: float = 5e-4
    batch_size: int = 16
    """Crops in a batch."""
    frames: int = 200
    """Frames of 20 ms in a crop."""
    labels: Path | None = None
    """Units to predict, of an earlier run; default: clusters of MFCC."""
    phones: bool = False
    """Predict the phones of the transcripts instead. Needs a store of `preprocess.py synthesizer --keep-audio`."""
    recordings: int | None = None
    """Use at most this many recordings; default: all."""
    mask: MaskConfig = field(default_factory=MaskConfig)
    config: tyro.conf.OmitArgPrefixes[UnitConfig] = field(default_factory=UnitConfig)

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.frames < 2 * self.mask.frames:
            raise ConfigError("--batch-size must be 1 or more, and --frames at least two masks.")
        if self.config.layer > self.config.network.layers:
            raise ConfigError(f"--layer must be at most {self.config.network.layers}.")
        if self.phones and self.labels is not None:
            raise ConfigError("Give --labels or --phones, not both.")
        if self.recordings is not None and self.recordings < 1:
            raise ConfigError(f"--recordings must be 1 or more, not {self.recordings}.")


def train(flags: UnitFlags) -> Path:
    """Train, cluster, and write the units. Returns the path of their file.

    Raises:
        SpeechError: an error that the user can correct.
    """
    import torch

    from modelfile.checkpoint import load_into, load_weights
    from synthesizer.units.loading import load_unit_encoder
    from synthesizer.units.model import UnitNetwork
    from synthesizer.units.task import (
        LabelledMels,
        Labels,
        MaskedBatches,
        PhoneLabels,
        UnitLabels,
        UnitTask,
        mfcc_units,
        network_units,
        open_speech,
    )
    from training.loop import fit
    from training.run_directory import RunDirectory

    torch.manual_seed(flags.seed)
    store = open_speech(flags.store)
    config = flags.config
    baseline = mfcc_units(store, config.units, flags.seed)
    if flags.phones:
        labels: Labels = PhoneLabels()
    else:
        labels = UnitLabels(baseline if flags.labels is None else load_unit_encoder(flags.labels))
    about = {"licence": flags.licence, "trained_on": trained_on(flags, store)}
    data, validation = (
        LabelledMels(store, split, labels, limit, flags.seed)
        for split, limit in (("train", flags.recordings), ("validation", VALIDATION_RECORDINGS))
    )
    network = UnitNetwork(config.network)
    task = UnitTask(network, labels.classes, validation, flags.frames, flags.mask, every_frame=flags.phones, **about)
    batches = MaskedBatches(data, flags.batch_size, flags.frames, flags.mask, flags.seed)
    settings = {"store": str(flags.store), "batch_size": flags.batch_size, "frames": flags.frames}
    if flags.recordings is not None:
        settings["recordings"] = flags.recordings
    settings["labels"] = "phones" if flags.phones else str(flags.labels or "mfcc")
    loop = fit_config(flags, warmup_steps=max(1, flags.steps // 12), decay="cosine", weight_decay=0.01)
    fit(task, batches, loop, flags.run, flags.resume, settings, flags.command_lines)

    run = RunDirectory(flags.run)
    load_into(network, load_weights(run.best if run.best.is_file() else run.model))
    made = network_units(network.cpu(), store, config, flags.seed)
    for encoder, name in ((baseline, BASELINE), (made, OUTPUT)):
        encoder.header = replace(encoder.header, **about)  # type: ignore[arg-type]
        encoder.save(run.path / name)
    return run.path / OUTPUT


@exit_on_speech_error
def main(arguments: Sequence[str] | None = None) -> None:
    """Train with the flags of the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    words = list(sys.argv[1:] if arguments is None else arguments)
    flags = tyro.cli(UnitFlags, args=words, description=__doc__, config=(tyro.conf.FlagCreatePairsOff,))
    print(f"units written to {train(flags)}; measure them with python -m evaluation.units")


if __name__ == "__main__":
    main()
