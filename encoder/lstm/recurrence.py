"""The encoder's LSTM with bfloat16 products, for processors that multiply bfloat16 in hardware.

A partial of 1.6 s costs 430 million multiplications and little else, so a processor with bfloat16 products
(AVX512-BF16, AMX) embeds in half the time. PyTorch's own bfloat16 LSTM also keeps its cells in bfloat16. The 8-bit
mantissa loses small additions over 160 frames, which causes three quarters of its error. Here weights and outputs are
bfloat16, and sums, gates and cells are float32.
"""

import copy

import torch
from torch import Tensor, nn

from encoder.lstm.model import SpeakerEncoderModel

WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
LSTM_MODE = 2  # cuDNN's constant for an LSTM, which PyTorch's oneDNN function takes


def has_bfloat16_products() -> bool:
    """Whether this processor multiplies bfloat16 in hardware and PyTorch has oneDNN's LSTM.

    oneDNN emulates the products on older processors, where they are slower than float32.
    """
    if not torch.backends.mkldnn.is_available():
        return False
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def with_bfloat16_products(model: SpeakerEncoderModel) -> SpeakerEncoderModel:
    """The same encoder with a `Bfloat16LSTM`, for inference on the CPU. All other weights are shared.

    Uncompressed mels span ten orders of magnitude. They go through a first layer in float32, which has a fifth of the
    multiplications.
    """
    lstm = Bfloat16LSTM(model.lstm, float32_layers=1 if model.config.compression == "none" else 0)
    fast = copy.copy(model)
    fast._modules = {**model._modules, "lstm": lstm}  # copy.copy shares this dictionary
    return fast


class Bfloat16LSTM(nn.Module):
    """Replaces a unidirectional, batch-first `nn.LSTM`. Copies its weights.

    Args:
        lstm: float32, with biases.
        float32_layers: first layers that are computed in float32.
    """

    def __init__(self, lstm: nn.LSTM, float32_layers: int = 0):
        super().__init__()
        self.input_size, self.hidden_size = lstm.input_size, lstm.hidden_size
        self.exact = [_single_layer(lstm, layer) for layer in range(float32_layers)]
        self.layers = [
            [lstm.get_parameter(f"{name}_l{layer}").detach().to(torch.bfloat16) for name in WEIGHTS]
            for layer in range(float32_layers, lstm.num_layers)
        ]

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        """[batch, frames, input_size] -> float32 states of the last layer, [batch, frames, hidden_size], and None.

        Raises:
            ValueError: the frames have a different size.
        """
        if inputs.shape[-1] != self.input_size:  # oneDNN would read memory that is not its own
            raise ValueError(f"the LSTM takes {self.input_size} values per frame, not {inputs.shape[-1]}")
        for layer in self.exact:
            inputs, _ = layer(inputs)
        states = inputs.transpose(0, 1).to(torch.bfloat16).contiguous()
        start = states.new_zeros(1, states.shape[1], self.hidden_size)
        cells = start.float()  # float32, so that oneDNN keeps the cells in it
        for weight_ih, weight_hh, bias_ih, bias_hh in self.layers:
            states, *_ = torch.mkldnn_rnn_layer(
                states, weight_ih, weight_hh, bias_ih, bias_hh, start, cells,
                reverse=False, batch_sizes=[], mode=LSTM_MODE, hidden_size=self.hidden_size, num_layers=1,
                has_biases=True, bidirectional=False, batch_first=False, train=False,
            )  # fmt: skip
        return states.transpose(0, 1).float(), None


def _single_layer(lstm: nn.LSTM, layer: int) -> nn.LSTM:
    """One layer, with the same weights."""
    weights = {f"{name}_l0": lstm.get_parameter(f"{name}_l{layer}").detach() for name in WEIGHTS}
    with torch.device("meta"):  # draws no random numbers
        single = nn.LSTM(lstm.hidden_size if layer else lstm.input_size, lstm.hidden_size, batch_first=True)
    single.load_state_dict(weights, assign=True)
    return single.requires_grad_(False)
