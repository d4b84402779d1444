"""The encoder's LSTM with products in bfloat16, for processors that multiply that type in hardware.

A 1.6 s partial costs 430 million multiplications and hardly anything else, so that a processor with bfloat16 products
(AVX512-BF16, AMX) embeds in half the time. PyTorch's own bfloat16 LSTM keeps the cells in that type too, whose
eight bits lose small additions to a full cell over 160 frames; that alone makes three quarters of its error. Here
weights and outputs are bfloat16, while sums, gates and cells are float32.
"""

import copy

import torch
from torch import Tensor, nn

from encoder.lstm.model import SpeakerEncoderModel

LSTM_MODE = 2  # cuDNN's number for an LSTM, which oneDNN's entry in PyTorch goes by


def has_bfloat16_products() -> bool:
    """Whether this processor multiplies bfloat16 in hardware and PyTorch has oneDNN's LSTM to use it.

    Emulated products, which oneDNN offers on older processors, are slower than float32.
    """
    if not torch.backends.mkldnn.is_available():
        return False
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def with_bfloat16_products(model: SpeakerEncoderModel) -> SpeakerEncoderModel:
    """The same encoder around a `Bfloat16LSTM`, sharing all other weights; for inference on the CPU."""
    fast = copy.copy(model)
    fast._modules = {**model._modules, "lstm": Bfloat16LSTM(model.lstm)}  # the copy alone would share this dictionary
    return fast


class Bfloat16LSTM(nn.Module):
    """Stands in for a one-directional, batch-first `nn.LSTM`, whose weights it copies as they are now.

    Args:
        lstm: float32, with biases.
    """

    def __init__(self, lstm: nn.LSTM):
        super().__init__()
        self.hidden_size = lstm.hidden_size
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        self.layers = [
            [lstm.get_parameter(f"{name}_l{layer}").detach().to(torch.bfloat16) for name in names]
            for layer in range(lstm.num_layers)
        ]

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        """inputs: [batch, frames, size] -> float32 states of the last layer, [batch, frames, hidden_size], and None."""
        states = inputs.transpose(0, 1).to(torch.bfloat16).contiguous()
        start = states.new_zeros(1, states.shape[1], self.hidden_size)
        cells = start.float()  # of float32, so that oneDNN keeps the cells in it
        for weight_ih, weight_hh, bias_ih, bias_hh in self.layers:
            states, *_ = torch.mkldnn_rnn_layer(
                states, weight_ih, weight_hh, bias_ih, bias_hh, start, cells,
                reverse=False, batch_sizes=[], mode=LSTM_MODE, hidden_size=self.hidden_size, num_layers=1,
                has_biases=True, bidirectional=False, batch_first=False, train=False,
            )  # fmt: skip
        return states.transpose(0, 1).float(), None
