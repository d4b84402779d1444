"""Train the detector of synthesized speech, calibrate it, and measure it.

    python -m evaluation.detection_training stores/detection --run runs/detector --max-minutes 20

The store is made by `python -m evaluation.detection_set`. The run directory gets `detector.safetensors` and a report.
Run it again with `--hold-out NAME` to measure how well the detector finds a generator that it was not trained on.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from tyro.conf import OmitArgPrefixes

from detector.config import DetectorConfig
from speech.errors import ConfigError, CorpusError, exit_on_speech_error
from training.flags import Kind, TrainingFlags, fit_config, open_store

if TYPE_CHECKING:
    from corpora.store import FeatureStore
    from detector.model import DetectorNetwork
    from evaluation.report import Report

OUTPUT = "detector.safetensors"


@dataclass(frozen=True)
class DetectionFlags(TrainingFlags):
    """Train a detector on a store that `python -m evaluation.detection_set` made. To resume, repeat the flags."""

    kind: Kind = "spectrogram"
    run: Path = Path("runs/detector")
    steps: int = 3000
    validate_every: int = 250
    save_every: int = 250
    batch_size: int = 32
    """Crops in a batch, half of them recordings."""
    seconds: float = 1.5
    """Length of a crop."""
    hold_out: tuple[str, ...] = ()
    """Generators to keep from training and calibration, by a part of their names; they are measured by themselves."""
    config: OmitArgPrefixes[DetectorConfig] = field(default_factory=DetectorConfig)

    def __post_init__(self) -> None:
        if self.batch_size < 2 or not 0.5 <= self.seconds <= 10:
            raise ConfigError("--batch-size must be 2 or more, and --seconds between 0.5 and 10.")


def train(flags: DetectionFlags) -> Report:
    """Train, calibrate, measure; write the model file and the report.

    Raises:
        SpeechError: an error that the user can correct.
    """
    import torch

    from detector.inference import DetectorNetwork
    from evaluation.detection_clips import STAGE
    from evaluation.detection_task import DetectionBatches, DetectionTask
    from training.loop import fit

    torch.manual_seed(flags.seed)
    store = open_store(flags.store)
    if store.info.get("stage") != STAGE:
        raise CorpusError(f"{flags.store} is no store of this kind: make one with python -m evaluation.detection_set.")
    samples = round(flags.seconds * flags.config.sample_rate)
    batches = DetectionBatches(store, flags.batch_size, samples, flags.hold_out, seed=flags.seed)
    network = DetectorNetwork(flags.config)
    task = DetectionTask(network, store, flags.hold_out, licence=flags.licence, trained_on=flags.trained_on)
    config = fit_config(flags, warmup_steps=50, decay="cosine", weight_decay=0.01)
    settings = {"store": str(flags.store), "batch_size": flags.batch_size, "seconds": flags.seconds}
    settings["hold_out"] = list(flags.hold_out)
    fit(task, batches, config, flags.run, flags.resume, settings, flags.command_lines)
    return finish(flags, store)


def finish(flags: DetectionFlags, store: FeatureStore) -> Report:
    """Calibrate the best weights of the run, write `detector.safetensors`, measure it and write the report."""
    from detector.inference import Detector
    from evaluation.detection_figures import detection_report
    from evaluation.detection_task import calibrate, score_split
    from evaluation.report import write_report
    from training.run_directory import RunDirectory

    run = RunDirectory(flags.run)
    detector = Detector.load(run.best if run.best.is_file() else run.model)
    network: DetectorNetwork = detector.network
    scored = score_split(network, store, "calibration", flags.hold_out)
    network.calibration.copy_(network.calibration.new_tensor(calibrate(scored)))
    extra = {"calibrated_on": f"{len(scored.scores)} clips of held-out speakers"}
    detector.header = replace(detector.header, extra=extra)
    detector.save(run.path / OUTPUT, "int8")
    detector = Detector.load(run.path / OUTPUT)  # the figures are those of the stored weights
    report = detection_report(detector, store, flags.hold_out)
    write_report(run.path, report)
    return report


@exit_on_speech_error
def main(arguments: Sequence[str] | None = None) -> None:
    """Train with the flags of the command line, and print the report."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    words = list(sys.argv[1:] if arguments is None else arguments)
    flags = tyro.cli(DetectionFlags, args=words, description=__doc__, config=(tyro.conf.FlagCreatePairsOff,))
    print(train(flags).to_markdown(), end="")


if __name__ == "__main__":
    main()
