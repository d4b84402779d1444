"""Train the synthesizer: `python train_synth.py stores/synthesizer --run runs/synthesizer --max-minutes 90`."""

import logging
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import tyro
from tyro.conf import OmitArgPrefixes, Positional

from modelfile.locations import DEFAULT_MODELS
from speech.errors import ConfigError, exit_on_speech_error
from synthesizer.tacotron.config import SynthesizerConfig
from synthesizer.tacotron.postfilter_config import PostfilterConfig

if TYPE_CHECKING:
    from torch import Tensor

    from corpora.store import FeatureStore
    from synthesizer.tacotron.model import Tacotron2
    from synthesizer.tacotron.voice_loss import VoiceLoss

POSTFILTER_SIZE = 160  # unless the model or --model.postfilter-size says otherwise
HELD_OUT = 48  # utterances by which a postfilter is judged

ADAPTATION: dict[
    str, Any
] = {  # what --adapt takes in place of the defaults: so short that the rest of the model is not forgotten
    "run": Path("runs/adapted"),
    "steps": 400,
    "batch_frames": 4_000,
    "learning_rate": 2e-4,
    "final_learning_rate": 2e-5,
    "validate_every": 50,
    "save_every": 50,
    "voice_loss": 1.0,
}


@dataclass(frozen=True)
class Arguments:
    """Train the synthesizer on a feature store that `preprocess.py synthesizer` made.

    It has learnt to align when free_aligned in the log comes near 1: with the default attention after a few thousand
    steps. After that it gets clearer for as long as validation_mel falls.
    """

    store: Positional[Path | None] = None
    """Feature store of the synthesizer stage; --adapt makes its own."""
    run: Path = Path("runs/synthesizer")
    """Run directory: model files, resumable states, logs."""
    resume: bool = False
    """Go on with the run in the run directory, exactly where it stopped."""
    warm_start: Path | None = None
    """Begin with the weights and sizes of this model file; what is asked for otherwise begins anew."""
    adapt: Path | None = None
    """Learn one voice better: a folder with some minutes of it, and the text of each clip. Training is then short and
    careful unless told otherwise, and begins with the default model or --warm-start."""
    steps: int = 60_000
    """Training steps in all; the learning rate falls to its end over them."""
    max_minutes: float = 0.0
    """Stop and save after this many minutes; 0 is no limit."""
    batch_frames: int = 12_800
    """Padded frames (of 12.5 ms) in a batch."""
    reduction_schedule: tuple[str, ...] = ("0:4",)
    """Frames a decoder step, from which step on: 0:4 20000:3 begins with 4 and goes on with 3 from step 20000."""
    phoneme_probability: float = 0.85
    """How often a word with a known pronunciation is read as phonemes; else as letters."""
    guided_attention: float = 0.0
    """Weight of the guided-attention loss; 1 or more for --model.attention location-sensitive."""
    postfilter: bool = False
    """Give the finished model of --warm-start a postfilter, which draws the harmonics that its mels lack; the rest of
    the model stays as it is."""
    post: PostfilterConfig = field(default_factory=PostfilterConfig)
    voice_loss: float = 0.0
    """Weight of a loss that hears by a speaker encoder whether the result has the voice that was asked for."""
    free_voice_loss: float = 0.0
    """Weight of the same for what the model says running freely, in voices between those of the store: for a model that
    reads already, to reach voices that it has not heard."""
    encoder: Path = DEFAULT_MODELS / "encoder.safetensors"
    """The encoder for --adapt, and for --voice-loss: the one that prepared the store."""
    learning_rate: float = 1e-3
    """Peak of the learning rate."""
    final_learning_rate: float = 1e-5
    """Where it ends."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of a step; auto is bf16 wherever the processor has it."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute."""
    threads: int = 0
    """CPU threads; 0 leaves the choice to PyTorch."""
    validate_every: int = 500
    """Steps between two validations."""
    save_every: int = 500
    """Steps between two saved states."""
    seed: int = 0
    """Seed of the weights, the batches and everything else."""
    licence: str = ""
    """Licence of the model, for its file's header."""
    trained_on: str = ""
    """What it was trained on, for its file's header; the corpora of the store, unless given."""
    model: OmitArgPrefixes[SynthesizerConfig] = field(default_factory=SynthesizerConfig)


@exit_on_speech_error
def main(arguments: Arguments | None = None) -> None:
    """Data, model, task, fit."""
    args = arguments or tyro.cli(Arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if args.adapt is not None and args.postfilter:
        raise ConfigError(
            "--adapt and --postfilter are two trainings: do one, then the other from its best.safetensors."
        )
    if args.adapt is not None:
        args = adaptation(args)
    if args.store is None:
        raise ConfigError("Nothing to train on: name a feature store, or a folder of clips with --adapt.")
    if args.postfilter:
        train_postfilter(args, args.store)
        return

    import torch

    from corpora.store import FeatureStore
    from modelfile.checkpoint import warm_start
    from synthesizer.tacotron.data import BatchConfig, SynthesizerBatches
    from synthesizer.tacotron.model import Tacotron2
    from synthesizer.tacotron.task import LossConfig, SynthesizerTask
    from training.loop import FitConfig, fit

    schedule = parse_schedule(args.reduction_schedule)
    store = FeatureStore(args.store)
    shape, weights = read_start(args)
    batch_config = BatchConfig(
        frames=args.batch_frames,
        phoneme_probability=args.phoneme_probability,
        reduction_schedule=schedule,
        tail_steps=shape.tail_steps,
    )
    rank, world_size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    batches = SynthesizerBatches(store, batch_config, seed=args.seed, rank=rank, world_size=world_size)
    hours = batches.frames.sum() / shape.mel.frames_per_second / 3600
    print(f"{args.store}: {len(store)} utterances, {len(batches.places)} of them to train on ({hours:.2f} h)")

    torch.manual_seed(args.seed)
    largest = max(factor for _, factor in schedule)
    model = Tacotron2(replace(shape, max_reduction_factor=largest, reduction_factor=schedule[-1][1]))
    if weights is not None:
        left = warm_start(model, weights)
        print(f"warm start from {args.warm_start}" + (f"; begun anew: {', '.join(left)}" if left else ""))
    if args.adapt is None:
        model.mean_embedding.copy_(batches.mean_embedding())
    loss_config = LossConfig(
        guided_attention=args.guided_attention, voice=args.voice_loss, free_voice=args.free_voice_loss
    )
    listens = bool(args.voice_loss or args.free_voice_loss)
    task = SynthesizerTask(
        model,
        store,
        batch_config,
        loss_config,
        embedding_space=store.info.get("embedding_space", ""),
        about={"licence": args.licence, "trained_on": args.trained_on or corpora_of(store)},
        voice_loss=load_voice_loss(args, store.info.get("embedding_space", "")) if listens else None,
    )
    config = FitConfig(
        steps=args.steps,
        max_minutes=args.max_minutes,
        learning_rate=args.learning_rate,
        final_learning_rate=args.final_learning_rate,
        warmup_steps=min(200, args.steps // 10),
        decay="cosine",
        weight_decay=1e-6,
        clip_norm=1.0,
        validate_every=args.validate_every,
        save_every=args.save_every,
        seed=args.seed,
        precision=args.precision,
        device=args.device,
        threads=args.threads,
    )
    settings = {"store": str(args.store), "loss": asdict(loss_config), "batch": asdict(batch_config)}
    fit(task, batches, config, args.run, resume=args.resume, settings=settings)
    if args.adapt is not None:
        print(f"python demo_cli.py CLIP.wav --synthesizer {args.run / 'best.safetensors'} --text ... speaks with it")


def read_start(args: Arguments) -> "tuple[SynthesizerConfig, dict[str, Tensor] | None]":
    """The model's config, and the weights of `--warm-start`; a flag that differs from its default goes before the file.

    So what a model has (a melody, a postfilter) is not lost where it is trained further.
    """
    if args.warm_start is None:
        return args.model, None
    from modelfile.checkpoint import load_model_file
    from modelfile.header import config_from_header
    from training.starting import with_flags

    header, weights = load_model_file(args.warm_start, "synthesizer")
    return with_flags(config_from_header(SynthesizerConfig, header), args.model), weights


def train_postfilter(args: Arguments, path: Path) -> None:
    """What `--postfilter` means: the finished model says something, and a network is trained on what it lacks."""
    import torch
    from tqdm import tqdm

    from corpora.store import FeatureStore
    from synthesizer.tacotron.postfilter_data import PostfilterBatches, read_along
    from synthesizer.tacotron.postfilter_task import PostfilterTask
    from training.loop import FitConfig, fit

    def progress(items: Any, what: str) -> Any:
        return tqdm(items, what, unit="batch", dynamic_ncols=True, disable=None)

    if args.threads:
        torch.set_num_threads(args.threads)
    store, rank = FeatureStore(path), int(os.environ.get("RANK", "0"))
    torch.manual_seed(args.seed)
    model = model_with_postfilter(args)
    order = np.random.default_rng((args.seed, rank)).permutation(store.select(split="train"))
    unseen = np.random.default_rng(0).permutation(store.select(split="validation"))
    along, held_out = (
        read_along(model, store, [int(place) for place in places], progress)
        for places in (order[: args.post.recordings], unseen[:HELD_OUT])
    )
    batches = PostfilterBatches(along, args.post.rows, args.post.frames, args.seed, rank)
    task = PostfilterTask(
        model,
        held_out,
        embedding_space=store.info.get("embedding_space", ""),
        about={"licence": args.licence, "trained_on": args.trained_on or corpora_of(store)},
    )
    config = FitConfig(
        steps=args.steps, max_minutes=args.max_minutes, learning_rate=args.learning_rate,
        final_learning_rate=args.final_learning_rate, warmup_steps=min(100, args.steps // 10), decay="cosine",
        weight_decay=1e-3, clip_norm=1.0, ema_decay=0.998, validate_every=args.validate_every,
        save_every=args.save_every, seed=args.seed, precision=args.precision, device=args.device, threads=args.threads,
    )  # fmt: skip
    kept = {"store": str(path), "start": str(args.warm_start), "postfilter": asdict(args.post)}
    fit(task, batches, config, args.run, resume=args.resume, settings=kept)


def model_with_postfilter(args: Arguments) -> "Tacotron2":
    """The model of `--warm-start`, frozen, with a postfilter: its own, or one that begins as the identity."""
    from modelfile.checkpoint import load_model_file, warm_start
    from modelfile.header import config_from_header
    from synthesizer.tacotron.model import Tacotron2

    header, weights = load_model_file(args.warm_start or DEFAULT_MODELS / "synthesizer.safetensors", "synthesizer")
    found = config_from_header(SynthesizerConfig, header)
    size = found.postfilter_size or args.model.postfilter_size or POSTFILTER_SIZE
    model = Tacotron2(replace(found, postfilter_size=size)).eval().requires_grad_(False)
    left = warm_start(model, weights)
    if any(not name.startswith("postfilter.") for name in left):
        raise ConfigError(f"{args.warm_start} lacks parts of a synthesizer: {', '.join(left)}.")
    assert model.postfilter is not None
    model.postfilter.requires_grad_(True)
    return model


def corpora_of(store: "FeatureStore") -> str:
    """The corpora in a store, for a model file's header."""
    return ", ".join(sorted({store.meta(index).get("corpus", "") for index in range(len(store))} - {""}))


def adaptation(args: Arguments) -> Arguments:
    """What `--adapt` means: a store made of the clips, the shape of the model that it begins with, few steps.

    Raises:
        ConfigError: a store is named as well.
        CorpusError, ModelFileError: the clips or the models cannot be used.
    """
    from modelfile.checkpoint import load_model_file
    from modelfile.header import config_from_header
    from preparation.adaptation import prepare_clips

    if args.store is not None:
        raise ConfigError("--adapt makes a store of its own: leave the other one away.")
    assert args.adapt is not None
    usual = Arguments()
    changes = {name: value for name, value in ADAPTATION.items() if getattr(args, name) == getattr(usual, name)}
    clips, args = args.adapt, replace(args, **changes)
    start = args.warm_start or DEFAULT_MODELS / "synthesizer.safetensors"
    header, _ = load_model_file(start, "synthesizer")
    # Emphasis makes up for voices that training did not reach; this one it will.
    shape = replace(config_from_header(SynthesizerConfig, header), voice_emphasis=1.0)
    store = args.run / "clips"
    seconds = prepare_clips(clips, store, args.encoder)
    print(f"adapting {start} to {seconds / 60:.1f} minutes of speech")
    schedule = (f"0:{shape.reduction_factor}",)
    return replace(args, store=store, warm_start=start, model=shape, reduction_schedule=schedule)


def load_voice_loss(args: Arguments, embedding_space: str) -> "VoiceLoss":
    """The ear of `--voice-loss`.

    Raises:
        ModelFileError: there is no such encoder.
        ConfigError: it is not the one that the store's embeddings are of.
    """
    from encoder import SpeakerEncoder
    from synthesizer.tacotron.voice_loss import VoiceLoss

    encoder = SpeakerEncoder.load(args.encoder, precision="fp32")
    if encoder.embedding_space != embedding_space:
        raise ConfigError(
            f"{args.encoder} makes voices of the space {encoder.embedding_space!r}, but the store has those of "
            f"{embedding_space!r}: give --encoder the one that prepared the store."
        )
    return VoiceLoss(encoder.model, args.model.mel)


def parse_schedule(stairs: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Reads ("0:4", "20000:3").

    Raises:
        ConfigError: it is no such list, or does not begin at step 0 and rise.
    """
    try:
        schedule = tuple((int(start), int(factor)) for start, factor in (stair.split(":") for stair in stairs))
    except ValueError:
        schedule = ()
    starts = [start for start, _ in schedule]
    rising = starts == sorted(set(starts)) and starts[:1] == [0]
    if not rising or any(factor < 1 for _, factor in schedule):
        raise ConfigError("--reduction-schedule must look like 0:4 20000:3, from step 0 on and rising")
    return schedule


if __name__ == "__main__":
    main()
