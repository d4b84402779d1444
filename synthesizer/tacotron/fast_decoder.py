"""The compiled decoder: a model's weights laid out for `decoder_kernels`, and passes over sentences with them.

Each sentence has its own memory, speaker terms and state, and is computed from them alone; sentences of a pass only
share the reading of the weights. Sentences that have ended are skipped.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from kernels.arguments import table_of
from kernels.machine_code import Library, functions_of
from synthesizer.compiled_copy import compiled_copy_of
from synthesizer.decoder_arrays import KERNEL_SOURCES, Floats, Outputs, Texts
from synthesizer.masks import SILENCE
from synthesizer.stopping import Cancelled, stop_if
from synthesizer.tacotron.attention import LocationSensitiveAttention
from synthesizer.tacotron.decoder_layout import (
    DecoderColumns,
    DynamicNet,
    LocationNet,
    SpeakerTerms,
    attention_net,
    decoder_net,
    first_state,
    make_workspace,
    split_columns,
)
from synthesizer.tacotron.fast_convolutions import FoldedConvolutions
from synthesizer.tacotron.model import Tacotron2

_SOURCES = (
    *KERNEL_SOURCES,
    *(f"synthesizer.tacotron.{name}" for name in ("decoder_layout", "decoder_kernels")),
)
LIBRARIES = {
    attention: Library(
        f"decoder-{attention}", "synthesizer.tacotron.decoder_kernels", _SOURCES, (attention,), "synthesizer's decoder"
    )
    for attention in ("dynamic", "location")
}


class FastDecoder:
    """A copy of a model's decoder weights for the compiled loop.

    Args:
        model: on the CPU, in eval mode.
        stop_logit: the stop token above which a sentence ends.
        reduction_factor: frames per decoder step.

    Raises:
        The errors of `functions_of`.
    """

    def __init__(self, model: Tacotron2, stop_logit: float, reduction_factor: int) -> None:
        config = model.config
        self.config, self.reduction_factor = config, reduction_factor
        memory, first, second = config.encoder_size, model.attention_lstm, model.decoder_lstm
        rows = reduction_factor * config.mel.n_mels
        outputs = torch.cat((model.to_frames.weight[:rows], model.to_stop.weight))
        attention_columns, attention_speaker = split_columns(first.weight_ih, config.prenet_sizes[1] + memory)
        decoder_columns, decoder_speaker = split_columns(second.weight_ih, config.decoder_size + memory)
        output_columns, output_speaker = split_columns(outputs, config.decoder_size + memory)
        self.net = decoder_net(model, DecoderColumns(attention_columns, decoder_columns, output_columns), stop_logit)
        self._by_speaker = [
            (attention_speaker.clone(), (first.bias_ih + first.bias_hh).detach()),
            (decoder_speaker.clone(), (second.bias_ih + second.bias_hh).detach()),
            (output_speaker.clone(), torch.cat((model.to_frames.bias[:rows], model.to_stop.bias)).detach()),
        ]
        self.attention = attention_net(model)
        library = LIBRARIES["location" if isinstance(self.attention, LocationNet) else "dynamic"]
        self.run = functions_of(library)["run"]
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
            WorkCancelled: `cancelled` returned True.
        """
        x = self._encoder_convolutions(self._embedding(torch.from_numpy(text)).T, cancelled)
        stop_if(cancelled)
        return self._encoder_lstm(x.T[None])[0][0]

    def refine(self, frames: Floats, cancelled: Cancelled | None = None) -> Floats:
        """The postnet on one sentence: the decoder's frames [frames, n_mels] -> mel [n_mels, frames], in [-4, 4].

        Raises:
            WorkCancelled: `cancelled` returned True.
        """
        mel = torch.from_numpy(frames).T.contiguous()
        return torch.clamp(mel + self._postnet(mel, cancelled), SILENCE, -SILENCE).numpy()

    def start(self, memories: Sequence[Tensor], speakers: Tensor, limits: Sequence[int]) -> FastPass:
        """Begin a pass over sentences.

        Args:
            memories: outputs of the text encoder, [tokens, encoder_size] each.
            speakers: [sentences, speaker_size].
            limits: the most steps of each.
        """
        # Row by row, because a product of several rows may round differently from one of a single row.
        speaker = SpeakerTerms(
            *(
                np.stack([F.linear(speaker[None], weight, bias)[0].numpy() for speaker in speakers])
                for weight, bias in self._by_speaker
            )
        )
        longest = max(len(memory) for memory in memories)
        texts = Texts(
            np.stack([F.pad(memory, (0, 0, 0, longest - len(memory))).numpy() for memory in memories]),
            np.array([len(memory) for memory in memories], np.int64),
            np.array(limits, np.int64),
        )
        attention = self.attention
        if isinstance(attention, LocationNet):
            assert self._key is not None
            keys = [F.linear(memory, *self._key) for memory in memories]
            attention = attention._replace(
                keys=np.stack([F.pad(key, (0, 0, 0, longest - len(key))).numpy() for key in keys])
            )
        return FastPass(self, attention, speaker, texts)


class FastPass:
    """A pass over sentences. `advance` runs steps; `ends` [sentences] are those with the stop token, -1 before."""

    def __init__(
        self, decoder: FastDecoder, attention: DynamicNet | LocationNet, speaker: SpeakerTerms, texts: Texts
    ) -> None:
        self._decoder, self._tokens = decoder, texts.memory.shape[1]
        state = first_state(decoder.config, texts, attention)
        workspace = make_workspace(decoder.config, decoder.net, texts, attention, decoder.reduction_factor)
        self._arguments = decoder.net, attention, state, workspace, speaker, texts
        self._table = table_of(*self._arguments)
        self.ends = state.ends

    def advance(self, first: int, masks: Floats, rest_steps: int, window: tuple[int, int] | None) -> Outputs:
        """Run steps from `first` on, as many as `masks` has.

        Args:
            masks: the prenet's dropout, [sentences, steps, sum of its sizes].
            rest_steps: steps of rest on the last token that end a sentence.
            window: see `attention.outside_window`.
        """
        rows, steps, _ = masks.shape
        factor, n_mels = self._decoder.reduction_factor, self._decoder.config.mel.n_mels
        outputs = Outputs(
            np.zeros((rows, steps, factor * n_mels), np.float32), np.zeros((rows, steps, self._tokens), np.float32)
        )
        table = table_of(masks, outputs, (first, first + steps, rest_steps), window or (-1, -1))
        self._decoder.run(np.concatenate([self._table, table]))
        return outputs


def fast_decoder_of(model: Tacotron2, stop_logit: float, reduction_factor: int) -> FastDecoder:
    """The model's compiled decoder: kept with it while its weights are frozen, else made from their current values."""
    settings = (model.config, stop_logit, reduction_factor)
    return compiled_copy_of(model, settings, lambda: FastDecoder(model, stop_logit, reduction_factor))
