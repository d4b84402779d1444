"""WaveRNN as a model family: its files and its training."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import OmitArgPrefixes

from modelfile.families import Family
from speech.errors import ConfigError
from training.flags import Kind, fit_config, trained_on
from vocoder.flags import VocoderFlags
from vocoder.wavernn.config import WaveRNNConfig

if TYPE_CHECKING:
    from torch import Tensor

    from corpora.store import FeatureStore
    from modelfile.header import ModelHeader
    from modelfile.public import Converted, PublicCheckpoint
    from training.config import TrainingPlan
    from vocoder.wavernn.inference import WaveRNNVocoder
    from vocoder.wavernn.model import WaveRNN
    from vocoder.wavernn.pruning import Pruner


@dataclass(frozen=True)
class WaveRNNFlags(VocoderFlags):
    """Train a WaveRNN on a feature store that `preprocess.py vocoder` made.

    The learning rate decays over --steps: choose a number that fits the available time. The default network suits two
    CPU cores, which need much longer than a GPU until the speech is free of noise.

    With --sparsity, the matrices of the sample loop are pruned during training, which makes the compiled engine faster.
    A finished model can be pruned too: --from best.safetensors --sparsity 0.95.
    """

    kind: Kind = "wavernn"
    learning_rate: float = 2e-3
    prune_start: int = 1000
    """Step at which pruning starts, if --sparsity is given."""
    prune_steps: int = 4000
    """Steps over which the sparsity rises to --sparsity."""
    prune_every: int = 20
    """Steps from one update of the pruning masks to the next."""
    history_noise: float = 3.0
    """Largest standard deviation, in labels, of the noise on the history of the excitation shape. Each crop draws its
    own between 0 and this."""
    model: OmitArgPrefixes[WaveRNNConfig] = field(default_factory=WaveRNNConfig)


def load(header: "ModelHeader", weights: "dict[str, Tensor]", device: Any = "cpu", **options: Any) -> "WaveRNNVocoder":
    """Build the model that a file describes, its matrices dense or in sparse blocks.

    Args:
        options: `engine`, `threads`, `sharpen` and `refinements` of `WaveRNNVocoder`. A file of a public WaveRNN has no
            refinements.

    Raises:
        ModelFileError: its config is refused or the weights do not fit it.
    """
    from modelfile.checkpoint import load_into, no_larger_than
    from modelfile.header import config_from_header
    from vocoder.wavernn.inference import WaveRNNVocoder
    from vocoder.wavernn.model import build_wavernn
    from vocoder.wavernn.pruning import unpack_sparse
    from waveform.refinements import stored_refinements

    config = config_from_header(WaveRNNConfig, header)
    weights = unpack_sparse(weights, config)
    with no_larger_than(weights):
        model = build_wavernn(config)
    load_into(model, weights)
    about: dict[str, Any] = {"licence": header.licence, "trained_on": header.trained_on, "step": header.step}
    options.setdefault("refinements", stored_refinements(header, 0))
    return WaveRNNVocoder(model, device, **about, **options)


def plan(flags: WaveRNNFlags, store: "FeatureStore", run: Path) -> "TrainingPlan":
    """Training by likelihood, from random weights or from those of --from, with pruning if --sparsity is given."""
    from training.processes import process_rank
    from training.starting import take_over
    from vocoder.plan import plan_of, start_of
    from vocoder.wavernn.batches import WaveRNNBatches
    from vocoder.wavernn.model import build_wavernn
    from vocoder.wavernn.pruning import unpack_sparse
    from vocoder.wavernn.task import WaveRNNTask

    if not 0 <= flags.history_noise <= 100:
        raise ConfigError(f"A --history-noise of {flags.history_noise} is out of range: choose 0 to 100.")
    config, weights = start_of(flags, flags.model, store, unpack_sparse)
    sizes, noise = (flags.batch_size, flags.frames), flags.history_noise
    batches = WaveRNNBatches(store, config, *sizes, seed=flags.seed, rank=process_rank(), noise=noise)
    model = build_wavernn(config)
    take_over(model, weights, flags.start_from)
    pruner = make_pruner(flags, model)
    task = WaveRNNTask(model, store, pruner, licence=flags.licence, trained_on=trained_on(flags, store))
    fit = fit_config(
        flags,
        final_learning_rate=flags.learning_rate / 20,
        warmup_steps=min(100, flags.steps // 10),
        decay="exponential",
        ema_decay=0.998,
    )
    settings: dict[str, Any] = {} if pruner is None else {"pruning": asdict(pruner.schedule)}
    if config.predicts:
        settings["history_noise"] = flags.history_noise
    return plan_of(flags, task, batches, fit, **settings)


def make_pruner(flags: WaveRNNFlags, model: "WaveRNN") -> "Pruner | None":
    """The pruner that the flags ask for; None where the model stays dense.

    Raises:
        ConfigError: the sparsity would not be reached within the steps.
    """
    from vocoder.wavernn.pruning import Pruner, PruningSchedule

    if not model.config.sparsity:
        return None
    schedule = PruningSchedule(model.config.sparsity, flags.prune_start, flags.prune_steps, flags.prune_every)
    pruner = Pruner(model, schedule)
    if schedule.end > flags.steps and not pruner.is_done():
        raise ConfigError(
            f"Pruning would end at step {schedule.end} and training at step {flags.steps}: "
            "lower --prune-start or --prune-steps, or raise --steps."
        )
    return pruner


def convert(checkpoint: "PublicCheckpoint") -> "Converted | None":
    """A public WaveRNN as a model file."""
    from vocoder.wavernn.convert import convert_public

    return convert_public(checkpoint)


FAMILY = Family(
    kind="wavernn", config=WaveRNNConfig, load=load, training_flags=WaveRNNFlags, plan=plan, convert=convert, order=10
)
