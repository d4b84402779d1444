"""What the steppers of all WaveRNN shapes have in common."""

from abc import ABC, abstractmethod

from torch import Tensor


class Stepper(ABC):
    """A WaveRNN that generates one sample at a time for a batch of streams, with states that start at zero.

    Streams end from the back of the batch: `begin_frame` with fewer rows drops the last ones.
    """

    @abstractmethod
    def begin_frame(self, windows: Tensor) -> None:
        """Set the conditioning of a frame: windows [batch, n_mels, 2 * pad + 1] in [-1, 1], the frame in the middle."""

    @abstractmethod
    def step(self, offset: int, drawn: Tensor) -> Tensor:
        """Outputs [batch, config.outputs] for sample `offset` of the frame, given what was drawn before it [batch]."""

    def sharpened(self, outputs: Tensor) -> Tensor:
        """Outputs with a sharper distribution where the pitch is clear; the same outputs for shapes without that."""
        return outputs

    def samples(self, drawn: Tensor) -> Tensor:
        """The samples [batch] that follow from what was drawn for this step; called once after each step."""
        return drawn
