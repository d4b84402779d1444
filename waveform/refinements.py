"""Refinement: a few projections that make a vocoder's spectrum consistent with itself and with the mel.

The waveform of a small network has neither quite the given mel nor steady phases: a spectral vocoder predicts phases
only roughly, and the samples of a WaveRNN are noisy. A few iterations of the fast Griffin-Lim algorithm correct that.
They start from the network's phases, in voiced frames from those of pulses, and reach a better result than many from
random phases.

The number of projections belongs to a model, and its file's header has it.
"""

from typing import TYPE_CHECKING

from speech.errors import ConfigError, ModelFileError

if TYPE_CHECKING:
    from modelfile.header import ModelHeader

REFINEMENTS = 64  # of models that are trained here; twice as many gain next to nothing
MAX_REFINEMENTS = 1000
ENTRY = "refinements"  # of a model file's header


def check_refinements(count: int) -> int:
    """Return a number of projections that is in range.

    Raises:
        ConfigError: it is out of range.
    """
    if not 0 <= count <= MAX_REFINEMENTS:
        raise ConfigError(f"{count} refinements are out of range: choose 0 to {MAX_REFINEMENTS}.")
    return count


def stored_refinements(header: "ModelHeader", default: int) -> int:
    """The number in the header of a model file.

    Args:
        default: of files that have none.

    Raises:
        ModelFileError: it is not such a number.
    """
    stored = header.extra.get(ENTRY, str(default))
    if not (stored.isdecimal() and len(stored) <= 4 and int(stored) <= MAX_REFINEMENTS):
        raise ModelFileError(f"The file's header has {stored[:20]!r} refinements: it is damaged.")
    return int(stored)
