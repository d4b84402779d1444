"""Train the vocoder: `python train_vocoder.py stores/vocoder --run runs/vocoder --max-minutes 60`."""

import argparse
import logging
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import tyro
from tyro.conf import OmitArgPrefixes, Positional

from speech.errors import ConfigError, exit_on_speech_error
from vocoder.spectral.config import AdversarialConfig, DiscriminatorConfig, SpectralConfig
from vocoder.wavernn.config import WaveRNNConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    from corpora.store import FeatureStore
    from training.config import Batches, FitConfig, Task
    from vocoder.wavernn.model import WaveRNN
    from vocoder.wavernn.pruning import Pruner

Kind = Literal["wavernn", "spectral"]
Config = TypeVar("Config", WaveRNNConfig, SpectralConfig)


@dataclass(frozen=True)
class Shared:
    """What the training of any vocoder takes."""

    store: Positional[Path]
    """Feature store of the vocoder stage."""
    kind: Annotated[Kind, tyro.conf.arg(name="model")] = "wavernn"
    """Kind of vocoder. Each has flags of its own, which --help shows after it."""
    run: Path = Path("runs/vocoder")
    """Run directory: model files, resumable states, samples, logs."""
    resume: bool = False
    """Go on with the run in the run directory, exactly where it stopped."""
    start_from: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """Model file that a new run starts from, to train it further, for one voice, or to prune it. Shape and sizes are
    the file's where no flag says otherwise."""
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


@dataclass(frozen=True)
class Arguments(Shared):
    """Train a vocoder on a feature store that `preprocess.py vocoder` made: a WaveRNN, or with --model spectral one
    that makes whole frames at once.

    The defaults of a WaveRNN suit two CPU cores, which need far longer than a GPU for speech without noise. The
    learning rate falls to its end over --steps: choose a number that the time you have allows.

    With --sparsity the matrices that every sample is multiplied by are pruned while it trains, so that the compiled
    engine has less to do; so can a finished model be, with --from best.safetensors --sparsity 0.95.
    """

    prune_start: int = 1000
    """Step at which pruning begins, where --sparsity is given."""
    prune_steps: int = 4000
    """Steps over which the sparsity rises to --sparsity."""
    prune_every: int = 20
    """Steps between two choices of what to prune."""
    model: OmitArgPrefixes[WaveRNNConfig] = field(default_factory=WaveRNNConfig)


@dataclass(frozen=True)
class SpectralArguments(Shared):
    """Train a spectral vocoder on a feature store that `preprocess.py vocoder` made.

    It learns to make sounds whose spectra, at several resolutions, are those of the recordings. The defaults suit two
    CPU cores. The learning rate falls to its end over --steps: choose a number that the time you have allows.
    """

    kind: Annotated[Kind, tyro.conf.arg(name="model")] = "spectral"
    """Kind of vocoder. Each has flags of its own, which --help shows after it."""
    frames: int = 40
    """Mel frames in a crop; 40 are half a second."""
    learning_rate: float = 0.0
    """Peak of the learning rate; 0 is 1e-3, and 2e-4 with --adversarial."""
    adversarial: bool = False
    """Train against discriminators: the second stage, --from a model of the first."""
    discriminators: Path | None = None
    """Discriminators to go on with; those beside the file of --from, if there are any, unless given."""
    against: OmitArgPrefixes[AdversarialConfig] = field(default_factory=AdversarialConfig)
    sizes: OmitArgPrefixes[DiscriminatorConfig] = field(default_factory=DiscriminatorConfig)
    model: OmitArgPrefixes[SpectralConfig] = field(default_factory=SpectralConfig)


KINDS: dict[str, type[Arguments] | type[SpectralArguments]] = {"wavernn": Arguments, "spectral": SpectralArguments}


@exit_on_speech_error
def main(arguments: Arguments | SpectralArguments | None = None) -> None:
    """Data, model, task, fit."""
    args = arguments or read_command_line()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    import torch

    from corpora.store import FeatureStore
    from training.loop import fit

    store = FeatureStore(args.store)
    torch.manual_seed(args.seed)
    prepare = prepare_wavernn if isinstance(args, Arguments) else prepare_spectral
    rank = int(os.environ.get("RANK", "0"))
    task, batches, settings = prepare(args, store, rank)  # type: ignore[arg-type]
    settings |= {"store": str(args.store), "batch_size": args.batch_size, "frames": args.frames}
    result = fit(task, batches, fit_config(args), args.run, args.resume, settings=settings)
    if rank == 0 and isinstance(args, SpectralArguments) and args.adversarial:
        task.save_discriminators(args.run, result.step)  # type: ignore[attr-defined]


def read_command_line() -> Arguments | SpectralArguments:
    """The flags are those of the kind that --model names."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    first.add_argument("--model", default="wavernn", nargs="?")
    kind = first.parse_known_args()[0].model
    return tyro.cli(KINDS.get(kind, Arguments))  # which also says what is wrong with an unknown one


def prepare_wavernn(args: Arguments, store: "FeatureStore", rank: int) -> "tuple[Task, Batches, dict[str, Any]]":
    """Task, batches, and what a resumed run must have equal."""
    from vocoder.data import VocoderBatches
    from vocoder.wavernn.model import build_wavernn
    from vocoder.wavernn.task import WaveRNNTask

    config, weights = read_start(args.start_from, args.kind, args.model)
    batches = VocoderBatches(store, config, args.batch_size, args.frames, seed=args.seed, rank=rank)
    model = build_wavernn(config)
    introduce(f"{config.shape} WaveRNN", model, args, store, len(batches.items))
    if weights is not None:  # in a resumed run only until the state is restored
        take_over(model, weights)
    pruner = make_pruner(args, model)
    task = WaveRNNTask(model, store, pruner=pruner, licence=args.licence, trained_on=trained_on(args, store))
    return task, batches, {} if pruner is None else {"pruning": asdict(pruner.schedule)}


def prepare_spectral(
    args: SpectralArguments, store: "FeatureStore", rank: int
) -> "tuple[Task, Batches, dict[str, Any]]":
    """Task, batches, and what a resumed run must have equal."""
    from vocoder.spectral.data import SpectralBatches
    from vocoder.spectral.model import SpectralGenerator
    from vocoder.spectral.task import SpectralTask

    refuse_idle_flags(args)
    config, weights = read_start(args.start_from, args.kind, args.model)
    batches = SpectralBatches(store, config, args.batch_size, args.frames, seed=args.seed, rank=rank)
    model = SpectralGenerator(config)
    introduce("spectral vocoder", model, args, store, len(batches.items))
    if weights is not None:  # in a resumed run only until the state is restored
        take_over(model, weights)
    about: dict[str, Any] = {"licence": args.licence, "trained_on": trained_on(args, store)}
    if not args.adversarial:
        return SpectralTask(model, store, **about), batches, {}
    from vocoder.spectral.adversarial import AdversarialTask, start_discriminators

    discriminators = start_discriminators(args.sizes, args.discriminators, args.start_from)
    task = AdversarialTask(model, store, discriminators, args.against, frames=args.frames, **about)
    return task, batches, {"adversarial": asdict(args.against), "discriminators": asdict(discriminators.config)}


def refuse_idle_flags(args: SpectralArguments) -> None:
    """Raises: ConfigError for flags of the adversarial stage where it was not asked for."""
    usual = (None, AdversarialConfig(), DiscriminatorConfig())
    if not args.adversarial and (args.discriminators, args.against, args.sizes) != usual:
        raise ConfigError("Flags of the discriminators do nothing in the first stage: add --adversarial.")


def introduce(name: str, model: "nn.Module", args: Shared, store: "FeatureStore", utterances: int) -> None:
    print(f"{args.store}: {len(store)} utterances, {utterances} to train on")
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{name}, {parameters / 1e6:.2f} million weights")


def trained_on(args: Shared, store: "FeatureStore") -> str:
    """What a model file says that it was trained on."""
    corpora = {store.meta(index).get("corpus", "") for index in range(len(store))}
    return args.trained_on or ", ".join(sorted(corpora - {""}))


def fit_config(args: Arguments | SpectralArguments) -> "FitConfig":
    """The loop's settings: a learning rate that falls over all steps, averaged weights, short gradients."""
    from training.loop import FitConfig

    common: dict[str, Any] = {
        "steps": args.steps,
        "max_minutes": args.max_minutes,
        "learning_rate": args.learning_rate,
        "clip_norm": 1.0,
        "validate_every": args.validate_every,
        "save_every": args.save_every,
        "seed": args.seed,
        "precision": args.precision,
        "device": args.device,
        "threads": args.threads,
        "ema_decay": 0.998,
    }
    if isinstance(args, Arguments):
        warmup, final = min(100, args.steps // 10), args.learning_rate / 20
        return FitConfig(**common, final_learning_rate=final, warmup_steps=warmup, decay="exponential")
    peak = args.learning_rate or (2e-4 if args.adversarial else 1e-3)
    common["learning_rate"] = peak
    warmup, final = min(200, args.steps // 10), peak / 50
    # moments as for Vocos, and a little decay: bounded weights keep the exponential of the magnitudes tame
    moments: dict[str, Any] = {"betas": (0.8, 0.99), "weight_decay": 1e-3}
    return FitConfig(**common, **moments, final_learning_rate=final, warmup_steps=warmup, decay="cosine")


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


def read_start(path: Path | None, kind: Kind, flags: Config) -> "tuple[Config, dict[str, Tensor] | None]":
    """The config and the weights of a vocoder file; a setting that differs from its default in `flags` goes first.

    Without a file the config is what the flags say.

    Raises:
        ModelFileError: it is no vocoder of this kind, or not of ours.
    """
    if path is None:
        return flags, None
    from modelfile.checkpoint import load_model_file
    from modelfile.header import config_from_header
    from training.starting import with_flags
    from vocoder.wavernn.pruning import unpack_sparse

    header, weights = load_model_file(path, "vocoder", kind)
    config = config_from_header(type(flags), header)
    unpacked = unpack_sparse(weights, config) if isinstance(config, WaveRNNConfig) else weights
    return with_flags(config, flags), unpacked


def take_over(model: "nn.Module", weights: "dict[str, Tensor]") -> None:
    """Take over the weights wherever names and shapes agree.

    Raises:
        ModelFileError: nothing of it fits.
    """
    from modelfile.checkpoint import warm_start
    from speech.errors import ModelFileError

    left = warm_start(model, weights)
    if len(left) == len(model.state_dict()):
        raise ModelFileError("Nothing in the file of --from fits this model: give the same shape and sizes.")
    print(f"start: {len(model.state_dict()) - len(left)} tensors taken over, {len(left)} fresh")


if __name__ == "__main__":
    main()
