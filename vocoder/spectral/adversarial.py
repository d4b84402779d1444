"""The second stage of a spectral vocoder's training: against discriminators, with the spectral losses beside them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from speech.errors import ConfigError
from vocoder.data import VocoderStore
from vocoder.spectral.config import MIN_DISCRIMINATED, AdversarialConfig, DiscriminatorConfig
from vocoder.spectral.data import SpectralBatch
from vocoder.spectral.discriminators import FILE_NAME, Discriminators, accuracy
from vocoder.spectral.model import SpectralGenerator, as_spectrum
from vocoder.spectral.task import SpectralTask

if TYPE_CHECKING:
    from training.run_directory import RunDirectory

MARGIN = 4  # frames at either end of a crop that are not judged: there the generator lacks its surroundings
DISCRIMINATORS_WEIGHT = 0.02  # of their loss: Adam does not mind, and clipping leaves the generator alone
FEATURES_WEIGHT = 2.0  # beside the deception, as for HiFi-GAN
HEADROOM = 4096.0  # of the adversarial gradients, against rounding to zero in half precision
_TINY = 1e-12

Opinions = list[list[Tensor]]  # see `Discriminators.forward`


class AdversarialTask(SpectralTask):
    """Trains a generator to be taken for recordings, and the discriminators that tell them apart.

    One step is one forward pass of everything. The gradients at the generator's output (log magnitudes and phases) are
    taken apart there: those of the spectral losses, and those of the discriminators, brought to a share of the length
    of the first (as Défossez et al., arXiv 2210.13438, balance losses), so that no weight has to be found by trials.
    The discriminators learn by their own loss on the same forward pass, which does not reach the generator.

    The best model is the one whose voices are as periodic as the recordings': a spectral distance prefers the blurred
    harmonics that it was made by, and would call the model of the first stage the best.

    Args:
        discriminators: trained along, and kept in the run directory beside the model.
        settings: see there.
        frames: of a training crop.

    Raises:
        ConfigError: the crops are too short for what is to be judged of them.
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
        if not settings.judged_frames * model.config.hop_length >= MIN_DISCRIMINATED:
            raise ConfigError(f"{settings.judged_frames} frames are too few to be judged: give --judged-frames more.")
        if settings.judged_frames + 2 * MARGIN > frames:
            raise ConfigError(
                f"Crops of {frames} frames have no {settings.judged_frames} to be judged beside {MARGIN} at either "
                "end: raise --frames or lower --judged-frames."
            )
        super().__init__(model, store, **others)
        self.discriminators, self.settings = discriminators, settings
        self.extra_modules: dict[str, nn.Module] = {"discriminators": discriminators}

    def step(self, batch: SpectralBatch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """`loss` and its parts, and how often the discriminators are right."""
        parts = self._generator.parts(batch["mel"]).float()
        free = parts.detach().requires_grad_()  # the generator's output, as the losses' graph sees it
        with torch.autocast(free.device.type, enabled=False):
            wave = self._generator.to_wave(as_spectrum(free))
            distances = self._distances(wave, batch["wave"])
        spectral = torch.stack(list(distances.values())).sum()
        share = self.share_at(step)
        (gradient,) = torch.autograd.grad(spectral, free, retain_graph=share > 0)

        judged = self._judged_part(batch["mel"].shape[2], generator)
        heard = wave[:, judged].detach().requires_grad_()
        natural, made = self.discriminators(batch["wave"][:, judged]), self.discriminators(heard)
        deception, features = deception_loss(made), feature_distance(natural, made)
        if share:
            aims = deception + FEATURES_WEIGHT * features
            (wish,) = torch.autograd.grad(aims * HEADROOM, heard, retain_graph=True)
            (wish,) = torch.autograd.grad(wave[:, judged], free, wish)
            gradient = gradient + wish * (share * gradient.norm() / wish.norm().clamp_min(_TINY))
        verdict = discrimination_loss(natural, made)
        # what it adds to the loss is nothing, what it adds to the generator's gradient is all
        pull = (parts * gradient).sum()
        loss = spectral.detach() + (pull - pull.detach()) + DISCRIMINATORS_WEIGHT * verdict
        figures = {"deception": deception, "features": features, "verdict": verdict}
        figures["accuracy"] = accuracy(natural, made)
        figures = {name: value.detach() for name, value in (distances | figures).items()}
        return {"loss": loss, **figures, "items": torch.tensor(batch["wave"].numel())}

    def share_at(self, step: int) -> float:
        """The discriminators' share in the generator's gradient."""
        alone = self.settings.discriminators_alone
        return self.settings.adversarial_share * min(1.0, max(0.0, (step - alone + 1) / max(1, alone)))

    def param_groups(self) -> list[dict[str, Any]]:
        """For the optimiser."""
        rate = self.settings.discriminators_rate
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
        natural, made = self.discriminators(target), self.discriminators(wave)
        return {
            "accuracy": float(accuracy(natural, made)),
            "features": float(feature_distance(natural, made)),
        }

    def _judged_part(self, frames: int, generator: torch.Generator) -> slice:
        """Samples, the same of all crops; another part in each step."""
        count, hop = self.settings.judged_frames, self.config.hop_length
        start = MARGIN + int(torch.randint(frames - count - 2 * MARGIN + 1, (), generator=generator))
        return slice(start * hop, (start + count) * hop)


def discrimination_loss(natural: Opinions, made: Opinions) -> Tensor:
    """What the discriminators learn by: hinges (Lim and Ye, arXiv 1705.02894), the mean over discriminators."""
    parts = [
        _mean((1 - theirs[-1]).relu()) + _mean((1 + ours[-1]).relu())
        for theirs, ours in zip(natural, made, strict=True)
    ]
    return torch.stack(parts).mean()


def deception_loss(made: Opinions) -> Tensor:
    """Small where every discriminator takes what was made for a recording."""
    return torch.stack([_mean((1 - ours[-1]).relu()) for ours in made]).mean()


def feature_distance(natural: Opinions, made: Opinions) -> Tensor:
    """Feature matching (Kumar et al. 2019, MelGAN, arXiv 1910.06711): distance of the maps relative to their size.

    No gradient reaches the maps of the recordings.
    """
    parts = []
    for theirs, ours in zip(natural, made, strict=True):
        for wanted, got in zip(theirs[:-1], ours[:-1], strict=True):
            wanted = wanted.detach()
            parts.append(_mean((got - wanted).abs()) / _mean(wanted.abs()).clamp_min(1e-6))
    return torch.stack(parts).mean()


def _mean(x: Tensor) -> Tensor:
    return x.mean(dtype=torch.float32)


def start_discriminators(sizes: DiscriminatorConfig, path: Path | None, model: Path | None) -> Discriminators:
    """Those of a file, or of the one beside the generator's model, or else new ones.

    Raises:
        ModelFileError: the file holds none.
        ConfigError: other sizes were asked for than the file's.
    """
    beside = model.with_name(FILE_NAME) if model is not None else None
    path = path or (beside if beside is not None and beside.is_file() else None)
    if path is None:
        return Discriminators(sizes)
    found = Discriminators.load(path)
    if sizes not in (DiscriminatorConfig(), found.config):
        raise ConfigError(f"The discriminators in {path} have other sizes: leave out the flags, or move the file away.")
    return found
