"""The spectral vocoder as a model family: its files and its training."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tyro.conf import OmitArgPrefixes

from modelfile.families import Family
from speech.errors import ConfigError
from training.flags import Kind, fit_config, trained_on
from vocoder.flags import VocoderFlags
from vocoder.spectral.config import AdversarialConfig, DiscriminatorConfig, SpectralConfig

if TYPE_CHECKING:
    from torch import Tensor

    from corpora.store import FeatureStore
    from modelfile.header import ModelHeader
    from training.config import FitConfig, TrainingPlan
    from vocoder.spectral.inference import SpectralVocoder


@dataclass(frozen=True)
class SpectralFlags(VocoderFlags):
    """Train a spectral vocoder on a feature store that `preprocess.py vocoder` made.

    The first stage minimises multi-resolution spectral distances. The second stage, --adversarial with --from a model
    of the first, trains against discriminators. The learning rate decays over --steps: choose a number that fits the
    available time. The defaults suit two CPU cores.
    """

    former_names: ClassVar[Mapping[str, str]] = {
        "adversarial-share": "adversarial-weight",
        "discriminators-alone": "discriminator-warmup-steps",
        "discriminators-rate": "discriminator-lr-scale",
        "judged-frames": "discriminator-frames",
    }

    kind: Kind = "spectral"
    frames: int = 40
    learning_rate: float = 0.0
    """Peak learning rate; 0 is 1e-3, and 2e-4 with --adversarial."""
    adversarial: bool = False
    """Train against discriminators: the second stage, --from a model of the first."""
    discriminators: Path | None = None
    """Discriminators to start from. By default those beside the file of --from, if there are any."""
    against: OmitArgPrefixes[AdversarialConfig] = field(default_factory=AdversarialConfig)
    sizes: OmitArgPrefixes[DiscriminatorConfig] = field(default_factory=DiscriminatorConfig)
    model: OmitArgPrefixes[SpectralConfig] = field(default_factory=SpectralConfig)


def load(
    header: "ModelHeader", weights: "dict[str, Tensor]", device: Any = "cpu", engine: str = "auto", **options: Any
) -> "SpectralVocoder":
    """Build the model that a file describes.

    Args:
        engine: "auto" or "torch", which are the same here.
        options: `precision` of `SpectralVocoder`.

    Raises:
        ConfigError: there is no such engine.
        ModelFileError: its config is refused or the weights do not fit it.
    """
    from modelfile.checkpoint import load_into, no_larger_than
    from modelfile.header import config_from_header
    from vocoder.spectral.inference import SpectralVocoder
    from vocoder.spectral.model import SpectralGenerator
    from waveform.refinements import REFINEMENTS, stored_refinements

    if engine not in ("auto", "torch"):
        raise ConfigError(f"A spectral vocoder has no engine {engine!r}: choose engine torch or auto.")
    config = config_from_header(SpectralConfig, header)
    with no_larger_than(weights):
        model = SpectralGenerator.without_weights(config)
    load_into(model, weights)
    refinements = stored_refinements(header, REFINEMENTS)
    about: dict[str, Any] = {"licence": header.licence, "trained_on": header.trained_on, "step": header.step}
    return SpectralVocoder(model, device, refinements=refinements, **about, **options)


def plan(flags: SpectralFlags, store: "FeatureStore", run: Path) -> "TrainingPlan":
    """Training of the first or the second stage, from random weights or from those of --from."""
    from training.processes import process_rank
    from training.starting import take_over
    from vocoder.plan import plan_of, start_of
    from vocoder.spectral.data import SpectralBatches
    from vocoder.spectral.model import SpectralGenerator
    from vocoder.spectral.task import SpectralTask

    if not flags.adversarial and (flags.discriminators, flags.against, flags.sizes) != _NO_DISCRIMINATORS:
        raise ConfigError("Flags of the discriminators have no effect in the first stage: add --adversarial.")
    config, weights = start_of(flags, flags.model, store)
    batches = SpectralBatches(store, config, flags.batch_size, flags.frames, seed=flags.seed, rank=process_rank())
    model = SpectralGenerator(config)
    take_over(model, weights, flags.start_from)
    about: dict[str, Any] = {"licence": flags.licence, "trained_on": trained_on(flags, store)}
    if not flags.adversarial:
        return plan_of(flags, SpectralTask(model, store, **about), batches, _fit_config(flags))
    from vocoder.spectral.adversarial import AdversarialTask, start_discriminators

    discriminators = start_discriminators(flags.sizes, flags.discriminators, flags.start_from)
    task = AdversarialTask(model, store, discriminators, flags.against, frames=flags.frames, **about)
    settings = {"adversarial": asdict(flags.against), "discriminators": asdict(discriminators.config)}
    return plan_of(flags, task, batches, _fit_config(flags), **settings)


_NO_DISCRIMINATORS = (None, AdversarialConfig(), DiscriminatorConfig())


def _fit_config(flags: SpectralFlags) -> "FitConfig":
    peak = flags.learning_rate or (2e-4 if flags.adversarial else 1e-3)
    return fit_config(
        flags,
        learning_rate=peak,
        final_learning_rate=peak / 50,
        warmup_steps=min(200, flags.steps // 10),
        decay="cosine",
        betas=(0.8, 0.99),  # as for Vocos
        weight_decay=1e-3,  # bounded weights keep the exponential of the magnitudes bounded
        ema_decay=0.998,
    )


FAMILY = Family(kind="spectral", config=SpectralConfig, load=load, training_flags=SpectralFlags, plan=plan, order=20)
