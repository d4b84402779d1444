"""Which phone is spoken in each frame of a mel, and how well a decoded sentence is pronounced by that.

Free running draws dropout masks, so every decoding of a sentence is different, and some are less clear than others.
The goodness of pronunciation (Witt & Young 2000, "Phone-level pronunciation scoring and assessment for interactive
language learning") finds them: the log probability that a phone classifier gives the phones that should be spoken.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from speech.mel_config import MelConfig
from synthesizer.decoding_check import Decoded
from synthesizer.text.symbols import PAD_ID, SYMBOLS

STRIDE = 2  # mel frames of an output
DILATIONS = (1, 2, 4)  # of the blocks, in turn; six blocks see 0.4 s to either side
FLOOR = -8.0  # log probability of a phone that is not spoken at all, and the lowest of others
IS_SPOKEN = np.array([any(character.isalpha() for character in symbol) for symbol in SYMBOLS])


class PhoneClassifierSizes(Protocol):
    """What the architecture of a family says of its phone classifier."""

    @property
    def n_symbols(self) -> int: ...

    @property
    def mel(self) -> MelConfig: ...

    @property
    def phone_classifier_size(self) -> int: ...

    @property
    def phone_classifier_layers(self) -> int: ...


class PhoneClassifier(nn.Module):
    """Residual convolutions over a mel; each output depends on the frames around it only."""

    def __init__(self, config: PhoneClassifierSizes) -> None:
        super().__init__()
        size = config.phone_classifier_size
        self.first = nn.Conv1d(config.mel.n_mels, size, 5, stride=STRIDE, padding=2)
        self.blocks = nn.ModuleList(
            _Block(size, DILATIONS[number % len(DILATIONS)]) for number in range(config.phone_classifier_layers)
        )
        self.norm = nn.LayerNorm(size)
        self.last = nn.Linear(size, config.n_symbols)

    def forward(self, mel: Tensor) -> Tensor:
        """mel: [batch, frames, n_mels] -> logits of the symbols, [batch, ceil(frames / STRIDE), n_symbols]."""
        x = self.first(mel.transpose(1, 2))
        for block in self.blocks:
            x = x + block(x)
        logits: Tensor = self.last(F.gelu(self.norm(x.transpose(1, 2))))
        return logits


class _Block(nn.Module):
    def __init__(self, size: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.over_time = nn.Conv1d(size, size, 3, padding=dilation, dilation=dilation)
        self.mixing = nn.Conv1d(size, size, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, size, frames] -> the residual, same shape."""
        normal = self.norm(x.transpose(1, 2)).transpose(1, 2)
        mixed: Tensor = self.mixing(F.gelu(self.over_time(F.gelu(normal))))
        return mixed


@torch.no_grad()
def phones_of(classifier: PhoneClassifier, mel: NDArray[np.float32]) -> NDArray[np.int64]:
    """The most probable symbol of each frame: mel [n_mels, frames], dB scaled to [-4, 4] -> int64 [frames]."""
    device = classifier.last.weight.device
    found = classifier(torch.from_numpy(np.ascontiguousarray(mel.T, np.float32))[None].to(device))[0].argmax(1)
    return np.repeat(found.cpu().numpy(), STRIDE)[: mel.shape[1]]


def phone_loss(classifier: PhoneClassifier, mel: Tensor, symbols: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the spoken symbols, and the share of outputs whose most probable symbol is the right one.

    Args:
        mel: [batch, frames, n_mels], dB scaled to [-4, 4].
        symbols: int64 [batch, frames]; frames with the padding symbol are not counted.
    """
    logits = classifier(mel).float().flatten(0, 1)
    wanted = symbols[:, ::STRIDE].flatten()
    known = wanted != PAD_ID
    loss = F.cross_entropy(logits, wanted, ignore_index=PAD_ID)
    return loss, (logits.argmax(1) == wanted)[known].float().mean()


def goodness_of_pronunciation(classifier: PhoneClassifier, decoded: Decoded, symbols: NDArray[np.integer]) -> float:
    """Mean log probability of the half of the phones of a sentence that are pronounced worst.

    That of a phone is its mean over the frames that attend to it. All phones predicted the word errors of a recogniser
    less well than the worse half of them.

    Args:
        symbols: int64 [tokens].

    Returns:
        From -8 to 0; the higher, the clearer. 0 for a sentence without a phone.
    """
    device = classifier.last.weight.device
    mel = torch.from_numpy(np.ascontiguousarray(decoded.mel.T, np.float32)).to(device)
    frames, steps = len(mel), decoded.alignment.shape[1]
    path = decoded.alignment.argmax(0)[np.arange(0, frames, STRIDE) * steps // frames]
    logits = classifier(mel[None])[0].float()
    wanted = torch.from_numpy(np.asarray(symbols, np.int64)[path]).to(device)
    likely = F.log_softmax(logits, 1).gather(1, wanted[:, None])[:, 0].cpu().numpy()
    counts = np.bincount(path, minlength=len(symbols))
    sums = np.bincount(path, np.maximum(likely, FLOOR), minlength=len(symbols))
    scores = np.sort(np.where(counts > 0, sums / np.maximum(counts, 1), FLOOR)[IS_SPOKEN[symbols]])
    return float(scores[: (len(scores) + 1) // 2].mean()) if len(scores) else 0.0
