"""Distances between the short-time spectra of two waveforms."""

import functools

import torch
from torch import Tensor

from speech.mel import mel_filters

RESOLUTIONS = (128, 256, 512, 800, 1536)  # window lengths in samples; the hop is a quarter of that
FLOOR = 1e-5


def spectral_losses(wave: Tensor, target: Tensor, sample_rate: int) -> dict[str, Tensor]:
    """Multi-resolution STFT losses (Yamamoto et al., arXiv 1910.11480), and a distance of log mels.

    Args:
        wave, target: [batch, samples]; the gradient is that of `wave`.

    Returns:
        `magnitude`, `log_magnitude` and `mel`: each the mean over the resolutions.
    """
    sums = {name: wave.new_zeros(()) for name in ("magnitude", "log_magnitude", "mel")}
    for size in RESOLUTIONS:
        power, target_power = (_power(signal, size) for signal in (wave, target))
        amplitude, target_amplitude = (power + FLOOR**2).sqrt(), (target_power + FLOOR**2).sqrt()
        sums["magnitude"] = sums["magnitude"] + _spectral_convergence(amplitude, target_amplitude)
        sums["log_magnitude"] = sums["log_magnitude"] + (amplitude.log() - target_amplitude.log()).abs().mean()
        filters = _filters(sample_rate, size).to(wave.device)
        mels = (filters @ power + FLOOR**2).log(), (filters @ target_power + FLOOR**2).log()
        sums["mel"] = sums["mel"] + (mels[0] - mels[1]).abs().mean() / 2
    return {name: total / len(RESOLUTIONS) for name, total in sums.items()}


def _spectral_convergence(amplitude: Tensor, target: Tensor) -> Tensor:
    """Frobenius norm of the difference divided by that of the target, mean over the batch."""
    return (
        torch.linalg.norm(amplitude - target, dim=(1, 2)) / torch.linalg.norm(target, dim=(1, 2)).clamp_min(1e-3)
    ).mean()


def _power(wave: Tensor, size: int) -> Tensor:
    """[batch, samples] -> power spectra [batch, size // 2 + 1, frames]."""
    window = torch.hann_window(size, device=wave.device)
    spectrum = torch.stft(wave, size, size // 4, window=window, center=True, return_complex=True)
    return spectrum.real.square() + spectrum.imag.square()


@functools.lru_cache(maxsize=16)
def _filters(sample_rate: int, size: int) -> Tensor:
    bands = max(8, min(80, size // 10))
    return torch.tensor(mel_filters(sample_rate, size, bands, 0.0, sample_rate / 2))
