"""Griffin-Lim as a model family: it has no model file and is not trained."""

from typing import TYPE_CHECKING, Any

from modelfile.families import Family
from speech.mel_config import MelConfig

if TYPE_CHECKING:
    from vocoder.griffin_lim.inference import GriffinLimVocoder


def load(
    header: None, weights: None, device: Any = "cpu", *, mel_config: MelConfig | None = None, iterations: int = 60
) -> "GriffinLimVocoder":
    """Make the vocoder for mels with these settings; it always runs on the CPU."""
    from vocoder.griffin_lim.inference import GriffinLimVocoder

    return GriffinLimVocoder(mel_config, iterations)


FAMILY = Family(kind="griffin-lim", config=MelConfig, load=load, needs_file=False, order=90)
