"""Train the vocoder: `python train_vocoder.py stores/vocoder --run runs/vocoder --max-minutes 60`."""

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import tyro
from tyro.conf import OmitArgPrefixes, Positional

from speech.errors import exit_on_speech_error
from vocoder.wavernn.config import WaveRNNConfig


@dataclass(frozen=True)
class Arguments:
    """Train a WaveRNN vocoder on a feature store that `preprocess.py vocoder` made.

    The defaults suit two CPU cores: the compact shape reaches understandable speech in about an hour and gets less
    noisy for days. The learning rate falls to its end over --steps: choose a number that the time you have allows.
    """

    store: Positional[Path]
    """Feature store of the vocoder stage."""
    run: Path = Path("runs/vocoder")
    """Run directory: model files, resumable states, samples, logs."""
    resume: bool = False
    """Go on with the run in the run directory, exactly where it stopped."""
    start_from: Path | None = None
    """Model file whose weights a new run starts from, for example to fine-tune on one voice."""
    steps: int = 12_000
    """Training steps in all."""
    max_minutes: float = 0.0
    """Stop and save after this many minutes; 0 is no limit."""
    batch_size: int = 16
    """Crops in a batch."""
    frames: int = 6
    """Mel frames in a crop; 6 are 1200 samples."""
    learning_rate: float = 2e-3
    """Peak of the learning rate."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of a step; auto is bf16 wherever the processor has it."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute."""
    threads: int = 0
    """CPU threads; 0 leaves the choice to PyTorch."""
    validate_every: int = 1000
    """Steps between two validations."""
    save_every: int = 500
    """Steps between two saved states."""
    seed: int = 0
    """Seed of the weights, the batches and everything else."""
    licence: str = ""
    """Licence of the model, for its file's header."""
    trained_on: str = ""
    """What it was trained on, for its file's header; the corpora of the store, unless given."""
    model: OmitArgPrefixes[WaveRNNConfig] = field(default_factory=WaveRNNConfig)


@exit_on_speech_error
def main(arguments: Arguments | None = None) -> None:
    """Data, model, task, fit."""
    args = arguments or tyro.cli(Arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    import torch

    from speech.features import FeatureStore
    from training.loop import FitConfig, fit
    from vocoder.data import VocoderBatches
    from vocoder.wavernn.model import build_wavernn
    from vocoder.wavernn.task import WaveRNNTask

    store = FeatureStore(args.store)
    rank = int(os.environ.get("RANK", "0"))
    batches = VocoderBatches(store, args.model, args.batch_size, args.frames, seed=args.seed, rank=rank)
    print(f"{args.store}: {len(store)} utterances, {len(batches.items)} to train on")

    torch.manual_seed(args.seed)
    model = build_wavernn(args.model)
    if args.start_from is not None and not args.resume:
        start_from(model, args.start_from)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{args.model.shape} WaveRNN, {parameters / 1e6:.2f} million weights")

    corpora = ", ".join(sorted({store.meta(index).get("corpus", "") for index in range(len(store))} - {""}))
    task = WaveRNNTask(model, store, licence=args.licence, trained_on=args.trained_on or corpora)
    config = FitConfig(
        steps=args.steps,
        max_minutes=args.max_minutes,
        learning_rate=args.learning_rate,
        final_learning_rate=args.learning_rate / 20,
        warmup_steps=min(100, args.steps // 10),
        decay="exponential",
        clip_norm=1.0,
        validate_every=args.validate_every,
        save_every=args.save_every,
        seed=args.seed,
        precision=args.precision,
        device=args.device,
        threads=args.threads,
        ema_decay=0.998,
    )
    settings = {"store": str(args.store), "batch_size": args.batch_size, "frames": args.frames}
    fit(task, batches, config, args.run, resume=args.resume, settings=settings)


def start_from(model, path: Path) -> None:
    """Take over the weights of a vocoder file wherever names and shapes agree.

    Raises:
        ModelFileError: it is no WaveRNN of ours, or nothing of it fits.
    """
    from speech.errors import ModelFileError
    from training.checkpoint import load_model_file, warm_start

    _, weights = load_model_file(path, "vocoder", "wavernn")
    left = warm_start(model, weights)
    if len(left) == len(model.state_dict()):
        raise ModelFileError(f"Nothing in {path} fits this model: give the same shape and sizes.")
    print(f"{path}: {len(model.state_dict()) - len(left)} tensors taken over, {len(left)} fresh")


if __name__ == "__main__":
    main()
