"""Train the speaker encoder: `python train_encoder.py stores/encoder --run runs/encoder --max-minutes 60`."""

import logging
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Positional

from encoder.augmentation import AugmentationConfig
from encoder.lstm.config import EncoderConfig
from speech.errors import exit_on_speech_error

if TYPE_CHECKING:
    import numpy as np

    from encoder.base import SpeakerEncoder


@dataclass(frozen=True)
class Arguments:
    """Train the speaker encoder on a feature store that `preprocess.py encoder` made.

    Without a teacher it learns to tell the speakers of the store apart (GE2E) and defines an embedding space of its
    own. With --teacher it learns to give the embeddings that another encoder gives, so that synthesizers made for that
    one fit it. The learning rate falls to its end over --steps: choose a number that the time you have allows.
    """

    store: Positional[Path]
    """Feature store of the encoder stage."""
    run: Path = Path("runs/encoder")
    """Run directory: model files, resumable states, logs."""
    resume: bool = False
    """Go on with the run in the run directory, exactly where it stopped."""
    steps: int = 20_000
    """Training steps in all."""
    max_minutes: float = 0.0
    """Stop and save after this many minutes; 0 is no limit."""
    teacher: Path | None = None
    """Model file of the encoder to learn from, for example what `python -m encoder.convert` writes."""
    init: Path | None = None
    """Model file to start from, to train an encoder further or for other speakers; random weights, unless given."""
    ge2e: Literal["softmax", "contrast"] = "softmax"
    """Which of the two GE2E losses."""
    ge2e_weight: float | None = None
    """Weight of the GE2E loss; 1 without a teacher, 0 with one."""
    distill_weight: float | None = None
    """Weight of the distance to the teacher; 0 without a teacher, 1 with one."""
    speakers: int = 16
    """Speakers in a batch."""
    utterances: int = 2
    """Windows of each speaker in a batch; more suit GE2E (the paper has 64 x 10)."""
    windows_per_utterance: int = 1
    """So many of them come from one utterance."""
    augment: bool = True
    """Vary noise, rooms, lines, codecs, speed, ...; --no-augment trains on the sounds as they are."""
    noise: Path | None = None
    """Feature store of noises, from `preprocess.py noise`; made-up stationary noise, unless given."""
    learning_rate: float = 2e-3
    """Peak of the learning rate."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of a step; auto is bf16 wherever the processor has it: an LSTM gains a factor of two."""
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
    pictures: bool = True
    """Draw a DET curve and a map of the speakers at each validation."""
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    model: OmitArgPrefixes[EncoderConfig] = field(default_factory=lambda: EncoderConfig(compression="log"))


@exit_on_speech_error
def main(arguments: Arguments | None = None) -> None:
    """Data, model, task, fit."""
    args = arguments or tyro.cli(Arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    import torch

    from corpora.store import FeatureStore
    from encoder.augmentation import no_augmentation
    from encoder.data import BatchConfig, SpeakerBatches
    from encoder.lstm.model import SpeakerEncoderModel
    from encoder.task import EncoderTask, LossConfig
    from training.loop import FitConfig, fit

    torch.manual_seed(args.seed)
    init, teacher = load_encoder(args.init), load_encoder(args.teacher)
    model_config = init.config if init else args.model  # the sizes are those of the weights
    model = SpeakerEncoderModel(model_config)
    if init:
        model.load_state_dict(init.model.state_dict())

    store = FeatureStore(args.store)
    rank = int(os.environ.get("RANK", "0"))  # torchrun's
    batch_config = BatchConfig(
        speakers=args.speakers,
        utterances=args.utterances,
        windows_per_utterance=args.windows_per_utterance,
        frames=model_config.partial_frames,
    )
    augmentation = args.augmentation if args.augment else no_augmentation()
    noises = load_noises(args.noise, "train")
    batches = SpeakerBatches(store, batch_config, augmentation, noises, seed=args.seed, rank=rank)
    if rank == 0:
        print(f"{args.store}: {len(store)} utterances, {len(batches.names)} speakers to train on")

    loss = LossConfig(
        ge2e=args.ge2e,
        ge2e_weight=_default(args.ge2e_weight, 0.0 if teacher else 1.0),
        distill_weight=_default(args.distill_weight, 1.0 if teacher else 0.0),
    )
    corpora = ", ".join(sorted({store.meta(index).get("corpus", "") for index in range(len(store))} - {""}))
    task = EncoderTask(
        model,
        store,
        loss,
        teacher=teacher,
        licence=args.licence,
        trained_on=args.trained_on or corpora,
        noises=load_noises(args.noise, "validation"),
        pictures=args.pictures,
    )
    config = FitConfig(
        steps=args.steps,
        max_minutes=args.max_minutes,
        learning_rate=args.learning_rate,
        final_learning_rate=args.learning_rate / 50,
        warmup_steps=min(200, args.steps // 10),
        decay="cosine",
        weight_decay=1e-4,
        clip_norm=1.0,
        validate_every=args.validate_every,
        save_every=args.save_every,
        seed=args.seed,
        precision=args.precision,
        device=args.device,
        threads=args.threads,
        ema_decay=0.998,
    )
    settings = {
        "store": str(args.store),
        "teacher": str(args.teacher or ""),
        "init": str(args.init or ""),
        "loss": asdict(loss),
        "batch": asdict(batch_config),
        "augmentation": asdict(augmentation),
        "noise": str(args.noise or ""),
    }
    fit(task, batches, config, args.run, resume=args.resume, settings=settings)


def load_noises(path: Path | None, split: str) -> "list[np.ndarray]":
    """The mels of one split of a noise store, none without a path.

    Raises:
        CorpusError: the store holds something else than noises.
    """
    if path is None:
        return []
    from corpora.store import FeatureStore
    from speech.errors import CorpusError

    store = FeatureStore(path)
    if store.info.get("stage") != "noise":
        raise CorpusError(f"{path} holds no noises; make a store of them with `preprocess.py noise`.")
    return [store.array(index, "mel") for index in store.select(split=split)]


def load_encoder(path: Path | None) -> "SpeakerEncoder | None":
    """The encoder to learn or to start from, None without a path.

    Raises:
        ModelFileError: if it is no encoder of ours; a `.pt` file has to be converted first.
    """
    if path is None:
        return None
    from encoder.base import SpeakerEncoder
    from speech.errors import ModelFileError

    if path.suffix == ".pt":
        raise ModelFileError(f"{path} is a PyTorch file; convert it: python -m encoder.convert OUT --source {path}")
    return SpeakerEncoder.load(path)


def _default(value: float | None, default: float) -> float:
    return default if value is None else value


if __name__ == "__main__":
    main()
