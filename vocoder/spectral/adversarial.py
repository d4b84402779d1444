"""Second stage of a spectral vocoder's training: adversarial, in addition to the spectral losses."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from speech.errors import ConfigError
from training.adversarial import adversarial_loss, balanced, discrimination_loss, feature_distance, gradient_of, ramp
from training.discriminators import accuracy
from vocoder.data import VocoderStore
from vocoder.spectral.config import MIN_DISCRIMINATED, AdversarialConfig, DiscriminatorConfig
from vocoder.spectral.data import SpectralBatch
from vocoder.spectral.discriminators import FILE_NAME, Discriminators
from vocoder.spectral.model import SpectralGenerator, as_spectrum
from vocoder.spectral.task import SpectralTask

if TYPE_CHECKING:
    from training.run_directory import RunDirectory

MARGIN = 4  # frames at either end of a crop that the discriminators do not get: the generator lacks context there
DISCRIMINATORS_WEIGHT = 0.02  # keeps their gradient out of the norm that is clipped; Adam does not depend on the scale


class AdversarialTask(SpectralTask):
    """Trains a generator and the discriminators together.

    One step is one forward pass of all networks. The gradient of the adversarial losses at the generator's output (log
    magnitudes and phases) is scaled to a fraction of the norm of the spectral losses' gradient, as Défossez et al.
    (arXiv 2210.13438) balance losses, so there is no weight to tune. The discriminators are trained with their own loss
    on the same forward pass. Its gradient does not reach the generator.

    The best model is the one whose periodicity is closest to that of the recordings. A spectral distance prefers
    blurred harmonics and would choose the model of the first stage.

    Args:
        model, store, others: as for `SpectralTask`.
        discriminators: trained too, and saved in the run directory beside the model.
        settings: of the adversarial training.
        frames: of a training crop.

    Raises:
        ConfigError: the crops are too short for the discriminators.
    """

    best_metric = "periodicity_distance"

    def __init__(
        self,
        model: SpectralGenerator,
        store: VocoderStore,
        discriminators: Discriminators,
        settings: AdversarialConfig,
        *,
        frames: int,
        **others: Any,
    ) -> None:
        part = settings.discriminator_frames
        if not part * model.config.hop_length >= MIN_DISCRIMINATED:
            raise ConfigError(f"{part} frames are too few for the discriminators: raise --discriminator-frames.")
        if part + 2 * MARGIN > frames:
            raise ConfigError(
                f"Crops of {frames} frames are too short for {part} frames for the discriminators and a margin of "
                f"{MARGIN} at either end: raise --frames or lower --discriminator-frames."
            )
        super().__init__(model, store, **others)
        self.discriminators, self.settings = discriminators, settings
        self.extra_modules: dict[str, nn.Module] = {"discriminators": discriminators}

    def step(self, batch: SpectralBatch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """`loss` and its parts, and the accuracy of the discriminators."""
        parts = self._generator.parts(batch["mel"]).float()
        free = parts.detach().requires_grad_()  # the generator's output as a leaf, to get its gradient per loss
        with torch.autocast(free.device.type, enabled=False):
            wave = self._generator.to_wave(as_spectrum(free))
            distances = self._distances(wave, batch["wave"])
        spectral = torch.stack(list(distances.values())).sum()
        fraction = self.fraction_at(step)
        (gradient,) = torch.autograd.grad(spectral, free, retain_graph=fraction > 0)

        part = self._random_part(batch["mel"].shape[2], generator)
        crop = wave[:, part].detach().requires_grad_()
        recorded, generated = self.discriminators(batch["wave"][:, part]), self.discriminators(crop)
        adversarial, features = adversarial_loss(generated), feature_distance(recorded, generated)
        if fraction:
            change = gradient_of(adversarial, features, crop)
            (change,) = torch.autograd.grad(wave[:, part], free, change)
            gradient = balanced(gradient, change, fraction)
        discrimination = discrimination_loss(recorded, generated)
        # A term of value 0 whose gradient at the generator's output is `gradient`.
        carrier = (parts * gradient).sum()
        loss = spectral.detach() + (carrier - carrier.detach()) + DISCRIMINATORS_WEIGHT * discrimination
        figures = {"adversarial": adversarial, "features": features, "discrimination": discrimination}
        figures["accuracy"] = accuracy(recorded, generated)
        figures = {name: value.detach() for name, value in (distances | figures).items()}
        return {"loss": loss, **figures, "items": torch.tensor(batch["wave"].numel())}

    def fraction_at(self, step: int) -> float:
        """Norm of the adversarial gradient relative to the spectral one: 0 in the warm-up, then rising linearly."""
        return ramp(step, self.settings.discriminator_warmup_steps, self.settings.adversarial_weight)

    def param_groups(self) -> list[dict[str, Any]]:
        """Separate learning rates for the generator and the discriminators."""
        rate = self.settings.discriminator_lr_scale
        return [
            {"params": list(self.model.parameters())},
            {"params": list(self.discriminators.parameters()), "lr_scale": rate},
        ]

    def validate(self, step: int, run: "RunDirectory") -> dict[str, float]:
        """As in the first stage, and `accuracy` and `features` of the discriminators, which are saved."""
        figures = super().validate(step, run)
        self.finish(run, step)
        return figures

    def finish(self, run: "RunDirectory", step: int) -> None:
        """Save the discriminators in the run directory."""
        self.discriminators.save(run.path / FILE_NAME, step, licence=self.licence, trained_on=self.trained_on)

    def _further_figures(self, wave: Tensor, target: Tensor) -> dict[str, float]:
        recorded, generated = self.discriminators(target), self.discriminators(wave)
        return {
            "accuracy": float(accuracy(recorded, generated)),
            "features": float(feature_distance(recorded, generated)),
        }

    def _random_part(self, frames: int, generator: torch.Generator) -> slice:
        """Samples for the discriminators: the same part of all crops, at a random position."""
        count, hop = self.settings.discriminator_frames, self.config.hop_length
        start = MARGIN + int(torch.randint(frames - count - 2 * MARGIN + 1, (), generator=generator))
        return slice(start * hop, (start + count) * hop)


def start_discriminators(sizes: DiscriminatorConfig, path: Path | None, model: Path | None) -> Discriminators:
    """Discriminators to train: those of `path`, or of the file beside the generator's model, or new ones.

    Args:
        sizes: of new discriminators; if not the default, a file must have the same.
        path: a file of discriminators.
        model: the generator's model file.

    Raises:
        ModelFileError: the file has no discriminators.
        ConfigError: the file has different sizes.
    """
    beside = model.with_name(FILE_NAME) if model is not None else None
    path = path or (beside if beside is not None and beside.is_file() else None)
    if path is None:
        return Discriminators(sizes)
    found = Discriminators.load(path)
    if sizes not in (DiscriminatorConfig(), found.config):
        raise ConfigError(f"The discriminators in {path} have different sizes: omit the flags, or move the file.")
    return found
