"""The compiled decoder of a Tacotron 1: its weights laid out for `decoder_kernels`, and passes with them."""

from __future__ import annotations

import numpy as np

from kernels.arguments import table_of
from kernels.machine_code import Library, functions_of
from synthesizer.attention_window import Window
from synthesizer.compiled_copy import compiled_copy_of
from synthesizer.decoder_arrays import KERNEL_SOURCES, Floats
from synthesizer.tacotron1.decoder_layout import Outputs, Text, decoder_net, first_state, make_workspace
from synthesizer.tacotron1.model import Memory, Tacotron1

LIBRARY = Library(
    "decoder-tacotron1",
    "synthesizer.tacotron1.decoder_kernels",
    (*KERNEL_SOURCES, *(f"synthesizer.tacotron1.{name}" for name in ("decoder_layout", "decoder_kernels"))),
    subject="synthesizer's decoder",
)


class FastDecoder:
    """A copy of a model's decoder weights for the compiled loop.

    Args:
        model: on the CPU, in eval mode.
        factor: mel frames per step.
        stop_logit: the stop token above which a sentence ends.

    Raises:
        The errors of `functions_of`.
    """

    def __init__(self, model: Tacotron1, factor: int, stop_logit: float) -> None:
        self.config, self.factor = model.config, factor
        self.net = decoder_net(model, factor, stop_logit)
        self.run = functions_of(LIBRARY)["run"]

    def start(self, memory: Memory) -> FastPass:
        """Begin with a text, [1, tokens, ...]."""
        return FastPass(self, Text(*(part[0].detach().contiguous().numpy() for part in (memory.values, memory.keys))))


class FastPass:
    """The decoding of one sentence. `advance` runs steps; `end` is the step at which it ended, -1 before."""

    def __init__(self, decoder: FastDecoder, text: Text) -> None:
        self._decoder, self._tokens = decoder, len(text.memory)
        self._state = first_state(decoder.config, self._tokens)
        workspace = make_workspace(decoder.config, decoder.net, self._tokens)
        self._arguments = decoder.net, self._state, workspace, text  # kept alive for their addresses
        self._table = table_of(*self._arguments)

    @property
    def end(self) -> int:
        return int(self._state.progress[2])

    def advance(self, first: int, masks: Floats, first_stop: int, rest: int, window: Window | None) -> Outputs:
        """Run steps from `first` on, as many as `masks` has, or until the sentence ends.

        Args:
            masks: the prenet's dropout, [steps, sum of its sizes].
            first_stop: the first step at which the stop token counts.
            rest: steps of rest on the last token that end the sentence.
            window: see `attention_window.outside_window`.
        """
        decoder, steps = self._decoder, len(masks)
        width = decoder.factor * decoder.config.mel.n_mels
        outputs = Outputs(np.zeros((steps, width), np.float32), np.zeros((steps, self._tokens), np.float32))
        span = (first, first + steps, first_stop, rest)
        decoder.run(np.concatenate([self._table, table_of(masks, outputs, span, window or (-1, -1))]))
        return outputs


def fast_decoder_of(model: Tacotron1, factor: int, stop_logit: float) -> FastDecoder:
    """The model's compiled decoder: kept with it while its weights are frozen, else made from their current values."""
    return compiled_copy_of(model, (model.config, factor, stop_logit), lambda: FastDecoder(model, factor, stop_logit))
