"""The network: a stack of LSTMs whose last state, projected and rectified, is the embedding."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from encoder.base import EncoderModel
from encoder.compression import log_mels
from encoder.lstm.config import LSTMConfig


class SpeakerEncoderModel(EncoderModel):
    """Three LSTM layers, a linear layer, ReLU and L2 norm (Wan et al., arXiv 1710.10467; the ReLU is RTVC's)."""

    config: LSTMConfig

    def __init__(self, config: LSTMConfig | None = None):
        super().__init__()
        self.config = config or LSTMConfig()
        self.lstm = nn.LSTM(self.config.n_mels, self.config.hidden_size, self.config.num_layers, batch_first=True)
        self.linear = nn.Linear(self.config.hidden_size, self.config.embedding_size)
        # The state of an untrained LSTM is so small that only the bias decides which units pass the ReLU, for any
        # input. A unit below zero would never get a gradient, so all start above.
        nn.init.constant_(self.linear.bias, 0.1)
        self._initialise_forget_gates()

    def _initialise_forget_gates(self) -> None:
        """Chrono initialisation (Tallec & Ollivier, arXiv 1804.11188): memories from one frame to a whole partial.

        With PyTorch's default, forget gates start half open and the state decays within a tenth of a second. For
        thousands of steps, training then gives all speakers the same embedding.
        """
        size = self.config.hidden_size
        for layer in range(self.config.num_layers):
            memory = torch.empty(size).uniform_(1, max(2, self.config.partials.partial_frames - 1)).log()
            for name, value in (("ih", memory), ("hh", torch.zeros(size))):
                with torch.no_grad():
                    bias = self.lstm.get_parameter(f"bias_{name}_l{layer}")  # input, forget, cell and output gate
                    bias[:size] = -value
                    bias[size : 2 * size] = value

    def forward(self, mels: Tensor) -> Tensor:
        """Embed a batch of partials.

        Args:
            mels: [batch, frames, n_mels], power mels (no log).

        Returns:
            [batch, embedding_size], float32, rows of L2 norm 1 without negative entries.
        """
        return self._project(self._states(mels)[:, -1])

    def trajectory(self, mels: Tensor, every: int) -> Tensor:
        """Embeddings of prefixes of each window, each `every` frames longer, up to the whole window.

        The network runs from left to right, so one pass computes all of them.

        Args:
            mels: [batch, frames, n_mels], power mels.
            every: frames between two embeddings, at most `frames`.

        Returns:
            [batch, frames // every, embedding_size], each of L2 norm 1.
        """
        return self._project(self._states(mels)[:, trajectory_frames(mels.shape[1], every)])

    def at_frames(self, mels: Tensor, frames: Tensor) -> Tensor:
        """Embeddings of prefixes of each window, given by their last frames.

        Args:
            mels: [batch, frames, n_mels], power mels.
            frames: int64 [batch, n], last frame of each prefix.

        Returns:
            [batch, n, embedding_size], each of L2 norm 1.
        """
        states = self._states(mels)
        return self._project(states.gather(1, frames[:, :, None].expand(-1, -1, states.shape[2])))

    def _states(self, mels: Tensor) -> Tensor:
        if self.config.compression == "log":
            mels = log_mels(mels) / 6 + 1.1  # from about -0.8 (silence) to 2
        states, _ = self.lstm(mels)
        return states

    def _project(self, states: Tensor) -> Tensor:
        return functional.normalize(functional.relu(self.linear(states)).float(), dim=-1, eps=1e-5)


def trajectory_frames(frames: int, every: int) -> slice:
    """Last frames of the prefixes in `SpeakerEncoderModel.trajectory`; the last one ends the window."""
    return slice(frames % every + every - 1, None, every)
