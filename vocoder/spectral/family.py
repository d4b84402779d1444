"""The spectral vocoder as a model family: its files and its training."""

from typing import TYPE_CHECKING, Any

from modelfile.families import Family
from speech.errors import ConfigError, ModelFileError
from vocoder.spectral.config import SpectralConfig

if TYPE_CHECKING:
    from torch import Tensor

    from modelfile.header import ModelHeader
    from vocoder.spectral.inference import SpectralVocoder


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
    from modelfile.checkpoint import load_into
    from modelfile.header import config_from_header
    from vocoder.spectral.inference import MAX_REFINEMENTS, REFINEMENTS, SpectralVocoder
    from vocoder.spectral.model import SpectralGenerator

    if engine not in ("auto", "torch"):
        raise ConfigError(f"A spectral vocoder has no engine {engine!r}: choose engine torch or auto.")
    model = SpectralGenerator.without_weights(config_from_header(SpectralConfig, header))
    load_into(model, weights)
    stored = header.extra.get("refinements", str(REFINEMENTS))
    if not (stored.isdecimal() and len(stored) <= 4 and int(stored) <= MAX_REFINEMENTS):
        raise ModelFileError(f"The file asks for {stored[:20]!r} refinements: it is damaged.")
    about: dict[str, Any] = {"licence": header.licence, "trained_on": header.trained_on, "step": header.step}
    return SpectralVocoder(model, device, refinements=int(stored), **about, **options)


FAMILY = Family(kind="spectral", config=SpectralConfig, load=load, order=20)
