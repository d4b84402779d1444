"""The network: a stack of LSTMs whose last state, projected and rectified, is the voice."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from encoder.lstm.config import EncoderConfig

LOG_FLOOR = 1e-5  # power below which a mel band counts as silent; speech at -30 dBFS has its median near 4e-4


class SpeakerEncoderModel(nn.Module):
    """Three LSTM layers, a linear layer, ReLU and L2 norm (Wan et al., arXiv 1710.10467, with RTVC's ReLU)."""

    def __init__(self, config: EncoderConfig | None = None):
        super().__init__()
        self.config = config or EncoderConfig()
        self.lstm = nn.LSTM(self.config.n_mels, self.config.hidden_size, self.config.num_layers, batch_first=True)
        self.linear = nn.Linear(self.config.hidden_size, self.config.embedding_size)
        # A fresh LSTM's state is so small that the bias alone decides which units the ReLU lets through, the same for
        # every input: a unit that starts below zero would never get a gradient. So all of them start alive.
        nn.init.constant_(self.linear.bias, 0.1)
        self._remember_at_first()

    def _remember_at_first(self) -> None:
        """Chrono initialisation (Tallec & Ollivier, arXiv 1804.11188): memories from one frame to a whole partial.

        With PyTorch's own, a forget gate starts half open and what was said a tenth of a second ago is gone; training
        then gives the mean voice to everybody for thousands of steps.
        """
        size = self.config.hidden_size
        for layer in range(self.config.num_layers):
            memory = torch.empty(size).uniform_(1, max(2, self.config.partial_frames - 1)).log()
            for name, value in (("ih", memory), ("hh", torch.zeros(size))):
                with torch.no_grad():
                    bias = self.lstm.get_parameter(f"bias_{name}_l{layer}")  # input, forget, cell and output gate
                    bias[:size] = -value
                    bias[size : 2 * size] = value

    def forward(self, mels: Tensor) -> Tensor:
        """Embeds a batch of partials.

        Args:
            mels: [batch, frames, n_mels], power mels (no log).

        Returns:
            [batch, embedding_size], float32, every row of L2 norm 1 and without a negative entry.
        """
        return self._project(self._states(mels)[:, -1])

    def trajectory(self, mels: Tensor, every: int) -> Tensor:
        """What `forward` gives for beginnings of the window, each `every` frames longer, up to the whole of it.

        The network hears from left to right, so that one pass has the embeddings of all these beginnings on its way.

        Args:
            mels: [batch, frames, n_mels], power mels.
            every: frames between two embeddings, at most `frames`.

        Returns:
            [batch, frames // every, embedding_size], each of L2 norm 1.
        """
        return self._project(self._states(mels)[:, trajectory_frames(mels.shape[1], every)])

    def at_frames(self, mels: Tensor, frames: Tensor) -> Tensor:
        """What `forward` gives for beginnings of each window that end with the frames named.

        Args:
            mels: [batch, frames, n_mels], power mels.
            frames: int64 [batch, n], the last frame of each beginning.

        Returns:
            [batch, n, embedding_size], each of L2 norm 1.
        """
        states = self._states(mels)
        return self._project(states.gather(1, frames[:, :, None].expand(-1, -1, states.shape[2])))

    def _states(self, mels: Tensor) -> Tensor:
        if self.config.compression == "log":
            # about -0.8 (silence) to 2; in float32, because bfloat16 cannot tell the floor from zero after an add
            mels = (mels.float().clamp_min(0) + LOG_FLOOR).log() / 6 + 1.1
        states, _ = self.lstm(mels)
        return states

    def _project(self, states: Tensor) -> Tensor:
        return functional.normalize(functional.relu(self.linear(states)).float(), dim=-1, eps=1e-5)


def trajectory_frames(frames: int, every: int) -> slice:
    """The frames that the embeddings of `SpeakerEncoderModel.trajectory` end with; the last one is the window's."""
    return slice(frames % every + every - 1, None, every)
