"""A decoder that predicts a mel first, then a complex spectrum from it with the network of a spectral vocoder.

The second network has the layers and the names of `vocoder.spectral` (Vocos, Siuzdak 2023, arXiv 2306.00814), so that a
trained vocoder can be its start. All layers run at frame rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthesizer.vits.config import Architecture
from synthesizer.vits.decoder import MAX_LOG_MAGNITUDE, Decoder, parts_of
from synthesizer.vits.layers import GatedConvolutions
from waveform.emphasis import Deemphasis
from waveform.refined import RefinedTransform
from waveform.segments import MelFrames

FORGOTTEN = 1e-8  # weight of an earlier sample that the de-emphasis may leave out


class SpectralDecoder(Decoder):
    """Latent variable -> mel -> spectrum -> audio."""

    window: Tensor

    def __init__(self, config: Architecture) -> None:
        super().__init__()
        self.config = config
        size, mel = config.hidden_size, config.mel
        self.enter = nn.Conv1d(config.latent_size, size, 1)
        self.layers = GatedConvolutions(size, config.mel_layers, config.gated_kernel, config.speaker_size)
        self.to_mel = nn.Conv1d(size, mel.n_mels, 1)
        self.vocoder = SpectralNetwork(config)
        spare = mel.n_fft - mel.win_length
        window = F.pad(torch.hann_window(mel.win_length), (spare // 2, spare - spare // 2))
        self.register_buffer("window", window, persistent=False)

    def mel(self, z: Tensor, speaker: Tensor, mask: Tensor | None = None) -> Tensor:
        """The mel, scaled as those of the config: [batch, latent_size, frames] -> [batch, n_mels, frames].

        Args:
            speaker: [batch, speaker_size, 1]; mask: float [batch, 1, frames], None for whole rows.
        """
        mask = torch.ones_like(z[:, :1]) if mask is None else mask
        mel: Tensor = self.to_mel(self.layers(self.enter(z) * mask, mask, speaker))
        return mel.float() * self.config.mel.max_abs_value

    def forward(self, z: Tensor, speaker: Tensor) -> Tensor:
        """z: [batch, latent_size, frames]; speaker: [batch, speaker_size, 1] -> [batch, frames * hop] in [-1, 1]."""
        return self.audio(self.mel(z, speaker))

    def spectrum(self, mels: Tensor) -> Tensor:
        """Mels of `mel` -> spectrum of the pre-emphasised audio, complex64 [batch, n_fft // 2 + 1, frames]."""
        log_magnitude, phase = self.vocoder(mels / self.config.mel.max_abs_value).float().chunk(2, 1)
        with torch.autocast(mels.device.type, enabled=False):
            return torch.polar(log_magnitude.clamp(max=MAX_LOG_MAGNITUDE).exp(), phase)

    def audio(self, mels: Tensor) -> Tensor:
        """Mels of `mel` -> [batch, frames * hop] in [-1, 1]."""
        mel, spectrum = self.config.mel, self.spectrum(mels)
        with torch.autocast(mels.device.type, enabled=False):
            # At least four frames, so that a window covers each sample.
            padded = F.pad(spectrum, (0, max(0, 4 - spectrum.shape[2])))
            samples = torch.istft(
                padded, mel.n_fft, mel.hop_length, mel.n_fft, self.window, length=spectrum.shape[2] * mel.hop_length
            )
            return deemphasis(samples, mel.preemphasis).clamp(-1, 1)

    @property
    def margin(self) -> int:
        return self.config.mel_layers * (self.config.gated_kernel // 2) + self.audio_margin

    @property
    def audio_margin(self) -> int:
        """Frames of the mel before and after a frame that its samples depend on."""
        mel = self.config.mel
        return self.spectrum_margin + -(-(mel.n_fft + remembered_samples(mel.preemphasis)) // mel.hop_length)

    @property
    def spectrum_margin(self) -> int:
        """Frames of the mel before and after a frame that its spectrum depends on."""
        return (self.config.spectral_blocks + 1) * (self.config.spectral_kernel // 2)

    def stream(
        self, z: Tensor, speaker: Tensor, frames: int, check: Callable[[], None] = lambda: None
    ) -> Iterator[Tensor]:
        return self.stream_audio(self.mel(z, speaker), frames, check)

    def stream_audio(
        self, mel: Tensor, frames: int, check: Callable[[], None] = lambda: None, refinements: int = 0
    ) -> Iterator[Tensor]:
        """The audio of a mel [1, n_mels, frames] in chunks, as `stream`.

        Args:
            refinements: projections that make the spectrum consistent with itself and the mel (`waveform.refined`).
                With any, chunks have other lengths than `frames`.
        """
        if refinements:
            yield from self._refined(mel, frames, check, refinements)
            return
        for part in parts_of(mel, frames, self.audio_margin):
            check()
            yield part.cut(self.audio(part.frames)[0], self.config.mel.hop_length)

    def _refined(self, mel: Tensor, frames: int, check: Callable[[], None], refinements: int) -> Iterator[Tensor]:
        config = self.config.mel
        given = MelFrames.whole(mel[0].clamp(-config.max_abs_value, config.max_abs_value).cpu().numpy())
        transform, finish = RefinedTransform(given, config, refinements, check), Deemphasis(config.preemphasis)
        done = 0
        for part in parts_of(mel, frames, self.spectrum_margin):
            check()
            done += part.count
            spectrum = self.spectrum(part.frames)[:, :, part.start : part.start + part.count]
            samples = transform.push(spectrum.cpu(), last=done == mel.shape[2])[0]
            if len(samples):
                yield torch.from_numpy(finish(samples.numpy()))


class SpectralNetwork(nn.Module):
    """Mel in [-1, 1] -> log magnitudes, then phases, [batch, 2 * (n_fft // 2 + 1), frames]."""

    def __init__(self, config: Architecture) -> None:
        super().__init__()
        size, kernel, mel = config.spectral_size, config.spectral_kernel, config.mel
        self.enter = nn.Conv1d(mel.n_mels, size, kernel, padding=kernel // 2)
        self.enter_norm = nn.LayerNorm(size)
        self.blocks = nn.ModuleList(SpectralBlock(config) for _ in range(config.spectral_blocks))
        self.leave_norm = nn.LayerNorm(size)
        self.to_spectrum = nn.Linear(size, 2 * mel.n_frequencies)

    def forward(self, mel: Tensor) -> Tensor:
        """[batch, n_mels, frames] -> [batch, 2 * (n_fft // 2 + 1), frames]."""
        x = self.enter_norm(self.enter(mel).transpose(1, 2))
        for block in self.blocks:
            x = x + block(x)
        found: Tensor = self.to_spectrum(self.leave_norm(x))
        return found.transpose(1, 2)


class SpectralBlock(nn.Module):
    """Depthwise convolution over frames and two dense layers (ConvNeXt, arXiv 2201.03545), without the residual."""

    def __init__(self, config: Architecture) -> None:
        super().__init__()
        size, kernel = config.spectral_size, config.spectral_kernel
        self.over_frames = nn.Conv1d(size, size, kernel, padding=kernel // 2, groups=size)
        self.norm, self.scale = nn.LayerNorm(size), nn.Parameter(torch.full((size,), 1 / config.spectral_blocks))
        self.widen, self.narrow = nn.Linear(size, config.spectral_hidden), nn.Linear(config.spectral_hidden, size)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, frames, channels] -> the same shape."""
        smoothed = self.over_frames(x.transpose(1, 2)).transpose(1, 2)
        found: Tensor = self.narrow(F.gelu(self.widen(self.norm(smoothed)), approximate="tanh")) * self.scale
        return found


def deemphasis(x: Tensor, coefficient: float) -> Tensor:
    """y[t] = x[t] + coefficient * y[t - 1], with gradients: [batch, samples] -> the same shape.

    Each pass adds the sum so far at twice the distance, until the weight is negligible.
    """
    weight, distance = coefficient, 1
    while distance < x.shape[1] and weight > FORGOTTEN:
        x = x + weight * F.pad(x, (distance, 0))[:, :-distance]
        weight, distance = weight**2, 2 * distance
    return x


def remembered_samples(coefficient: float) -> int:
    """Earlier samples whose weight in the de-emphasis is not negligible."""
    count, weight = 0, 1.0
    while coefficient and weight > FORGOTTEN:
        count, weight = count + 1, weight * coefficient
    return count
