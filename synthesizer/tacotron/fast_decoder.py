"""The compiled decoder: a model's weights laid out for `decoder_kernels`, and passes over sentences with them.

Each sentence has its own memory, constants and state, and is computed from them alone; only the reading of the weights
is shared by the sentences of a pass. One that has ended costs nothing any more.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from synthesizer.tacotron.attention import LocationSensitiveAttention
from synthesizer.tacotron.decoder_layout import (
    HIGHEST,
    LARGEST_LEVEL,
    LARGEST_SUM,
    Constants,
    DynamicNet,
    Floats,
    LocationNet,
    Made,
    Net,
    Texts,
    as_floats,
    attention_net,
    first_state,
    make_room,
    packed_floats,
    packed_levels,
    side_by_side,
    split_columns,
)
from synthesizer.tacotron.fast_convolutions import Cancelled, FoldedConvolutions, stop_if
from synthesizer.tacotron.model import SILENCE, Tacotron2

logger = logging.getLogger(__name__)

NOTICE_SECONDS = 2.0  # four times what loading from numba's cache takes


class FastDecoder:
    """A copy of a model's decoder weights for the compiled loop.

    Args:
        model: on the CPU, in eval mode.
        stop_logit: above which the stop token ends a sentence.
        reduction_factor: frames per decoder step.
    """

    def __init__(self, model: Tacotron2, stop_logit: float, reduction_factor: int) -> None:
        config = model.config
        self.config, self.reduction_factor = config, reduction_factor
        self.model_key = _key(model)
        prenet, memory = config.prenet_sizes[1], config.encoder_size
        first, second = model.attention_lstm, model.decoder_lstm
        from_prenet, attention_speaker = split_columns(first.weight_ih, prenet + memory)
        from_attention, decoder_speaker = split_columns(second.weight_ih, config.decoder_size + memory)
        rows = reduction_factor * config.mel.n_mels
        outputs = torch.cat((model.to_frames.weight[:rows], model.to_stop.weight)).detach()
        outputs, output_speaker = split_columns(outputs, config.decoder_size + memory)
        widest = max(from_prenet.shape[1], from_attention.shape[1], config.decoder_size)
        net = Net(
            prenet_first=packed_floats(model.prenet.first_weight()),
            prenet_first_bias=as_floats(model.prenet.first.bias),
            prenet_second=packed_floats(model.prenet.second.weight),
            prenet_second_bias=as_floats(model.prenet.second.bias),
            attention_input=packed_levels(from_prenet),
            attention_hidden=packed_levels(first.weight_hh),
            decoder_input=packed_levels(from_attention),
            decoder_hidden=packed_levels(second.weight_hh),
            outputs=packed_floats(outputs),
            highest=min(LARGEST_LEVEL, LARGEST_SUM // (HIGHEST * widest)),
            zoneout=np.float32(config.zoneout),
            stop_logit=np.float32(stop_logit),
        )
        self.net = side_by_side(net)
        self._by_speaker = [
            (attention_speaker.clone(), (first.bias_ih + first.bias_hh).detach()),
            (decoder_speaker.clone(), (second.bias_ih + second.bias_hh).detach()),
            (output_speaker.clone(), torch.cat((model.to_frames.bias[:rows], model.to_stop.bias)).detach()),
        ]
        self.attention = attention_net(model)
        self.kernel = "run_location" if isinstance(self.attention, LocationNet) else "run_dynamic"
        self._key = (
            (model.attention.key.weight.detach().clone(), model.attention.from_location.bias.detach().clone())
            if isinstance(model.attention, LocationSensitiveAttention)
            else None
        )

        encoder = model.encoder
        self._embedding, self._encoder_lstm = encoder.embedding, encoder.lstm
        self._encoder_convolutions = FoldedConvolutions(encoder.convolutions)
        self._postnet = FoldedConvolutions(model.postnet.layers)

    def encode(self, text: NDArray[np.int64], cancelled: Cancelled | None = None) -> Tensor:
        """The text encoder on one sentence: int64 [tokens] -> [tokens, encoder_size].

        Raises:
            DecodingCancelled: `cancelled` returned True.
        """
        x = self._encoder_convolutions(self._embedding(torch.from_numpy(text)).T, cancelled)
        stop_if(cancelled)
        return self._encoder_lstm(x.T[None])[0][0]

    def refine(self, frames: Floats, cancelled: Cancelled | None = None) -> Floats:
        """The postnet on one sentence: the decoder's frames [frames, n_mels] -> mel [n_mels, frames], in [-4, 4].

        Raises:
            DecodingCancelled: `cancelled` returned True.
        """
        mel = torch.from_numpy(frames).T.contiguous()
        return torch.clamp(mel + self._postnet(mel, cancelled), SILENCE, -SILENCE).numpy()

    def start(self, memories: Sequence[Tensor], speakers: Tensor, limits: Sequence[int]) -> FastPass:
        """Begin a pass over sentences.

        Args:
            memories: what the text encoder gave, [tokens, encoder_size] each.
            speakers: [sentences, speaker_size].
            limits: the most steps of each.
        """
        # Row by row, as a product of several rows may round otherwise than one of a single row.
        constants = Constants(
            *(
                np.stack([F.linear(speaker[None], weight, bias)[0].numpy() for speaker in speakers])
                for weight, bias in self._by_speaker
            )
        )
        longest = max(len(memory) for memory in memories)
        texts = Texts(
            np.stack([F.pad(memory, (0, 0, 0, longest - len(memory))).numpy() for memory in memories]),
            np.array([len(memory) for memory in memories]),
            np.array(limits),
        )
        attention = self.attention
        if isinstance(attention, LocationNet):
            assert self._key is not None
            keys = [F.linear(memory, *self._key) for memory in memories]
            attention = attention._replace(
                keys=np.stack([F.pad(key, (0, 0, 0, longest - len(key))).numpy() for key in keys])
            )
        return FastPass(self, attention, constants, texts)


class FastPass:
    """A pass over sentences. `advance` moves it on; `ends` [sentences] are the steps that said stop, -1 before."""

    def __init__(
        self, decoder: FastDecoder, attention: DynamicNet | LocationNet, constants: Constants, texts: Texts
    ) -> None:
        self._decoder, self._attention, self._constants, self._texts = decoder, attention, constants, texts
        self._state = first_state(decoder.config, texts, attention)
        self._room = make_room(decoder.config, decoder.net, texts, attention, decoder.reduction_factor)
        self.ends = self._state.ends

    def advance(self, first: int, masks: Floats, rest_steps: int, window: tuple[int, int] | None) -> Made:
        """Steps from `first` on, as many as `masks` has.

        Args:
            masks: the prenet's dropout, [sentences, steps, sum of its sizes].
            rest_steps: steps of rest on the last token that end a sentence.
            window: see `attention.outside_window`.
        """
        rows, steps, _ = masks.shape
        factor, n_mels = self._decoder.reduction_factor, self._decoder.config.mel.n_mels
        made = Made(
            np.zeros((rows, steps, factor * n_mels), np.float32),
            np.zeros((rows, steps, self._texts.memory.shape[1]), np.float32),
        )
        _kernel(self._decoder.kernel)(
            self._decoder.net, self._attention, self._state, self._room, self._constants, self._texts, masks, made,
            (first, first + steps, rest_steps), window or (-1, -1),
        )  # fmt: skip
        return made


def fast_decoder_of(model: Tacotron2, stop_logit: float, reduction_factor: int) -> FastDecoder:
    """The model's compiled decoder: kept with it if its weights are frozen, else made anew from what they are now."""
    kept = model.fast_decoder
    key = (_key(model), stop_logit, reduction_factor)
    if isinstance(kept, FastDecoder) and (kept.model_key, kept.net.stop_logit, kept.reduction_factor) == key:
        return kept
    model.fast_decoder = None
    decoder = FastDecoder(model, stop_logit, reduction_factor)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        model.fast_decoder = decoder
    return decoder


def _key(model: Tacotron2) -> tuple[Any, ...]:
    """Changes when a weight does."""
    weights = (*model.parameters(), *model.buffers())
    versions = [(weight.data_ptr(), 0 if weight.is_inference() else weight._version) for weight in weights]
    return (model.config, *versions)


@contextlib.contextmanager
def _announced(ready: bool) -> Iterator[None]:
    """Say what is being waited for, if a loop takes so long to get ready that it must be compiling."""

    def tell() -> None:
        logger.info("Compiling the synthesizer's decoder for this processor, once: about ten seconds.")

    timer = threading.Timer(NOTICE_SECONDS, tell)
    timer.daemon = True
    if not ready:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


@functools.cache
def _kernel(name: str) -> Callable[..., int]:
    """A loop of `decoder_kernels`, compiled at its first call unless numba's cache has it."""
    from synthesizer.tacotron import decoder_kernels

    function, compiled = getattr(decoder_kernels, name), decoder_kernels.compiled
    try:
        cached = compiled(function, cache=True)
    except RuntimeError:  # numba found no folder to write to
        logger.warning("The compiled decoder cannot be kept: no cache folder can be written to ($NUMBA_CACHE_DIR).")
        return compiled(function)

    @functools.cache
    def without_cache() -> Callable[..., int]:
        return compiled(function)

    def run(*arguments: object) -> int:
        try:
            with _announced(ready=bool(getattr(cached, "signatures", ()))):
                return cached(*arguments)
        except (AttributeError, ImportError):
            # Left by a version whose arrays came in other classes, which numba's cache refers to by name.
            logger.warning(
                "numba's cache of the decoder is of another version: delete it, or it is compiled each time."
            )
            return without_cache()(*arguments)

    return run
