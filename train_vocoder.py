"""Train the vocoder: `python train_vocoder.py stores/vocoder --run runs/vocoder --max-minutes 60`."""

import logging
import os
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Positional

from speech.errors import ConfigError, exit_on_speech_error
from vocoder.wavernn.config import WaveRNNConfig

if TYPE_CHECKING:
    from torch import Tensor

    from training.config import FitConfig
    from vocoder.wavernn.model import WaveRNN
    from vocoder.wavernn.pruning import Pruner


@dataclass(frozen=True)
class Arguments:
    """Train a WaveRNN vocoder on a feature store that `preprocess.py vocoder` made.

    The defaults suit two CPU cores: the compact shape reaches understandable speech in about an hour and gets less
    noisy for days. The learning rate falls to its end over --steps: choose a number that the time you have allows.

    With --sparsity the matrices that every sample is multiplied by are pruned while it trains, so that the compiled
    engine has less to do. Pruning a finished model (--from best.safetensors --sparsity 0.95) costs a fraction of its
    training.
    """

    store: Positional[Path]
    """Feature store of the vocoder stage."""
    run: Path = Path("runs/vocoder")
    """Run directory: model files, resumable states, samples, logs."""
    resume: bool = False
    """Go on with the run in the run directory, exactly where it stopped."""
    start_from: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """Model file that a new run starts from, to train it further, for one voice, or to prune it. Shape, sizes and
    sparsity are the file's where no flag says otherwise."""
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
    prune_start: int = 1000
    """Step at which pruning begins, where --sparsity is given."""
    prune_steps: int = 4000
    """Steps over which the sparsity rises to --sparsity."""
    prune_every: int = 20
    """Steps between two choices of what to prune."""
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
    from training.loop import fit
    from vocoder.data import VocoderBatches
    from vocoder.wavernn.model import build_wavernn
    from vocoder.wavernn.task import WaveRNNTask

    config, weights = read_start(args.start_from, args.model) if args.start_from else (args.model, None)
    store = FeatureStore(args.store)
    rank = int(os.environ.get("RANK", "0"))
    batches = VocoderBatches(store, config, args.batch_size, args.frames, seed=args.seed, rank=rank)
    print(f"{args.store}: {len(store)} utterances, {len(batches.items)} to train on")

    torch.manual_seed(args.seed)
    model = build_wavernn(config)
    if weights is not None:  # in a resumed run only until the state is restored
        take_over(model, weights)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{config.shape} WaveRNN, {parameters / 1e6:.2f} million weights")

    corpora = ", ".join(sorted({store.meta(index).get("corpus", "") for index in range(len(store))} - {""}))
    pruner = make_pruner(args, model)
    task = WaveRNNTask(model, store, pruner=pruner, licence=args.licence, trained_on=args.trained_on or corpora)
    settings: dict[str, Any] = {"store": str(args.store), "batch_size": args.batch_size, "frames": args.frames}
    if pruner is not None:
        settings["pruning"] = asdict(pruner.schedule)
    fit(task, batches, fit_config(args), args.run, resume=args.resume, settings=settings)


def fit_config(args: Arguments) -> "FitConfig":
    """The loop's settings: a learning rate that falls by a factor of 20, averaged weights, short gradients."""
    from training.loop import FitConfig

    return FitConfig(
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


def make_pruner(args: Arguments, model: "WaveRNN") -> "Pruner | None":
    """The pruner that the flags ask for; None where the model is to stay dense.

    Raises:
        ConfigError: the sparsity would not be reached within the steps.
    """
    from vocoder.wavernn.pruning import Pruner, PruningSchedule

    if not model.config.sparsity:
        return None
    schedule = PruningSchedule(model.config.sparsity, args.prune_start, args.prune_steps, args.prune_every)
    pruner = Pruner(model, schedule)
    if schedule.end > args.steps and not pruner.is_done():
        raise ConfigError(
            f"Pruning would end at step {schedule.end} and training at step {args.steps}: "
            "lower --prune-start or --prune-steps, or raise --steps."
        )
    return pruner


def read_start(path: Path, flags: WaveRNNConfig) -> "tuple[WaveRNNConfig, dict[str, Tensor]]":
    """The config and the weights of a vocoder file; a setting that differs from its default in `flags` goes first.

    Raises:
        ModelFileError: it is no WaveRNN of ours.
    """
    from training.checkpoint import config_from_header, load_model_file
    from vocoder.wavernn.pruning import unpack_sparse

    header, weights = load_model_file(path, "vocoder", "wavernn")
    config, usual = config_from_header(WaveRNNConfig, header), WaveRNNConfig()
    names = [setting.name for setting in fields(WaveRNNConfig)]
    given = {name: getattr(flags, name) for name in names if getattr(flags, name) != getattr(usual, name)}
    return replace(config, **given), unpack_sparse(weights, config)


def take_over(model: "WaveRNN", weights: "dict[str, Tensor]") -> None:
    """Take over the weights wherever names and shapes agree.

    Raises:
        ModelFileError: nothing of it fits.
    """
    from speech.errors import ModelFileError
    from training.checkpoint import warm_start

    left = warm_start(model, weights)
    if len(left) == len(model.state_dict()):
        raise ModelFileError("Nothing in the file of --from fits this model: give the same shape and sizes.")
    print(f"start: {len(model.state_dict()) - len(left)} tensors taken over, {len(left)} fresh")


if __name__ == "__main__":
    main()
