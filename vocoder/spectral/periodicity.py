"""Periodicity of voiced speech, which generators trained without discriminators blur.

Distances of magnitudes do not measure it.
"""

import torch
from torch import Tensor

WINDOW = 0.04  # seconds: two periods of a low voice
LOWEST, HIGHEST = 70.0, 400.0  # range of F0 in Hz
AUDIBLE = 1e-2  # of the loudest frame's power; quieter frames are not compared


def periodicity(wave: Tensor, sample_rate: int) -> tuple[Tensor, Tensor]:
    """Highest peak of each frame's normalised autocorrelation, at the lags of F0 (Boersma 1993).

    Args:
        wave: [batch, samples].

    Returns:
        Periodicity [batch, frames], 1 for an exact repetition and about 0 for noise, and the power of each frame.
    """
    size = round(WINDOW * sample_rate)
    least, most = round(sample_rate / HIGHEST), min(round(sample_rate / LOWEST), size - 1)
    frames = wave.unfold(1, size, size // 2)
    frames = frames - frames.mean(dim=2, keepdim=True)
    window = torch.hann_window(size, device=wave.device)
    products, of_window = (
        torch.fft.irfft(torch.fft.rfft(each, n=2 * size).abs().square(), n=2 * size)[..., : most + 1]
        for each in (frames * window, window)
    )
    # Divide by the autocorrelation of the window, which falls with the lag.
    height = products / products[..., :1].clamp_min(1e-12) * (of_window[0] / of_window)
    return height[..., least:].amax(dim=2).clamp(0, 1), frames.square().mean(dim=2)


def periodicity_distance(wave: Tensor, target: Tensor, sample_rate: int) -> Tensor:
    """RMS difference of the periodicity of two signals [batch, samples], in frames where `target` is audible."""
    (generated, _), (recorded, power) = (periodicity(signal, sample_rate) for signal in (wave, target))
    audible = power >= AUDIBLE * power.amax()
    return (generated - recorded)[audible].square().mean().sqrt()
