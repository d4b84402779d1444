"""Augmentation of training windows, so that embeddings are robust to noise, rooms, microphones and codecs.

It works on power mels of any number of bands, in the training process and with numpy alone: 1000 windows per second
cost a few per cent of a step. Most distortions are nearly linear in power:

* noise: P = S + N + 2 sqrt(S N) cos(phase), where the mean of the cosine over a band's bins is small;
* reverberation: the power itself, delayed and decaying by 60 dB in the reverberation time (Polack 1988);
* microphones and telephone lines: a gain per band, with steep slopes outside the pass band;
* lossy codecs: band powers rounded to steps of a few dB, and bands far below the loudest removed, as psychoacoustic
  models do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoder.config import AugmentationConfig
from speech.noise_mixing import coloured_noise_mel

Floats = NDArray[np.float32]

FRAMES_PER_SECOND = 100  # a hop of 10 ms
TINY = 1e-12
SPEECH_POWER = 0.01  # typical mean band power of speech at -30 dBFS


def mix_voices(windows: Floats, config: AugmentationConfig, rng: np.random.Generator) -> Floats:
    """Mix a window of the next speaker in the batch into some windows.

    Args:
        windows: [speakers, utterances, frames, n_mels].
    """
    chosen = rng.random(windows.shape[:2]) < config.second_speaker_probability
    others = np.roll(windows, 1, axis=0)[chosen]
    level = _power(windows[chosen]) / np.maximum(_power(others), TINY)
    mixed = windows.copy()
    mixed[chosen] += level * _ratio(rng, config.second_speaker_ratio_db, level.shape) * others
    return mixed


class Augmenter:
    """Reverberation, noise, band limits, codec and gain, drawn for each window on its own.

    Args:
        config: probabilities and strengths.
        noise: recordings of noise, power mels [frames, n_mels]; without any, noise is coloured and stationary.
    """

    def __init__(self, config: AugmentationConfig, noise: Sequence[np.ndarray] = ()) -> None:
        self.config = config
        self.noise = [recording for recording in noise if len(recording)]

    def __call__(self, windows: Floats, rng: np.random.Generator) -> Floats:
        """Augment windows [n, frames, n_mels] of power mels. Returns a copy."""
        config = self.config
        chain = (
            (config.room_probability, self._reverberate),
            (config.noise_probability, self._add_noise),
            (config.band_probability, self._limit_band),
            (config.codec_probability, self._code),
        )
        augmented = windows.copy()
        for probability, apply in chain:
            chosen = rng.random(len(windows)) < probability
            if chosen.any():
                augmented[chosen] = apply(augmented[chosen], rng)
        return augmented * _ratio(rng, (-config.gain_db, config.gain_db), (len(windows), 1, 1))

    def _reverberate(self, windows: Floats, rng: np.random.Generator) -> Floats:
        config = self.config
        shape = (len(windows), 1)
        decay = rng.uniform(*config.room_decay_seconds, shape)
        # walls and air absorb high frequencies faster: half the decay time at the top
        decay = decay * np.linspace(1, 0.5, windows.shape[2])
        keep = (10 ** (-6 / (decay * FRAMES_PER_SECOND))).astype(np.float32)
        gain = _ratio(rng, config.room_ratio_db, shape) * (1 - keep)  # the energy of the tail has this ratio
        late = np.zeros_like(windows[:, 0])
        result = np.empty_like(windows)
        for frame in range(windows.shape[1]):
            result[:, frame] = windows[:, frame] + late
            late = keep * late + gain * windows[:, frame]
        return result

    def _add_noise(self, windows: Floats, rng: np.random.Generator) -> Floats:
        noise = self._noise(windows.shape, rng)
        # A lower bound, because the noise of a room does not fall in a window of silence.
        speech = np.maximum(_power(windows), SPEECH_POWER / 1000)
        level = speech / np.maximum(_power(noise), TINY)
        noise *= level * _ratio(rng, self.config.noise_snr_db, level.shape)
        # Phases differ between bins: what counts is the mean cosine over a band.
        cosine = rng.standard_normal(windows.shape, dtype=np.float32) * _cosine_spread(windows.shape[2])
        mixed = windows + noise + 2 * np.sqrt(windows * noise) * np.clip(cosine, -0.9, 0.9)
        return mixed

    def _noise(self, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
        """Power mels of noise, [n, frames, n_mels]."""
        frames = shape[1]
        if not self.noise:
            return coloured_noise_mel(shape, rng)
        result = np.empty(shape, dtype=np.float32)
        for window in result:
            noise = self.noise[rng.integers(len(self.noise))]
            start = rng.integers(len(noise))
            window[:] = noise[np.arange(start, start + frames) % len(noise)]
        return result

    def _limit_band(self, windows: Floats, rng: np.random.Generator) -> Floats:
        shape = (len(windows), 1)
        low, high = rng.uniform(*self.config.band_low_hz, shape), rng.uniform(*self.config.band_high_hz, shape)
        octaves = np.log2(band_centres(windows.shape[2]))
        # filter slopes: 24 dB per octave below, 80 dB above, at most 60 dB
        loss = 24 * np.maximum(np.log2(low) - octaves, 0) + 80 * np.maximum(octaves - np.log2(high), 0)
        tilt = rng.uniform(-3, 3, shape) * (octaves - np.log2(1000))  # dB per octave, as of a cheap microphone
        gain = 10 ** ((np.clip(tilt, -6, 6) - np.minimum(loss, 60)) / 10)
        return windows * gain[:, None].astype(np.float32)

    def _code(self, windows: Floats, rng: np.random.Generator) -> Floats:
        step = rng.uniform(*self.config.codec_step_db, (len(windows), 1, 1))
        threshold = rng.uniform(30, 60, step.shape)  # bands this far below the loudest are removed
        decibels = 10 * np.log10(np.maximum(windows, TINY))
        loudest = decibels.max(axis=2, keepdims=True)
        rounded = np.where(decibels > loudest - threshold, np.rint(decibels / step) * step, 10 * np.log10(TINY))
        return (10 ** (rounded / 10)).astype(np.float32)


@dataclass(frozen=True)
class Pauses:
    """Pauses in windows: int64 [n] each, before frame `start`, for `length` frames (0 is none)."""

    start: NDArray[np.int64]
    length: NDArray[np.int64]

    def source_frames(self, frames: int) -> NDArray[np.int64]:
        """For each frame of a window with a pause, the last frame of the original up to it: int64 [n, frames]."""
        frame = np.arange(frames)
        start, length = self.start[:, None], self.length[:, None]
        return np.where(frame < start, frame, np.maximum(frame - length, start - 1))


def draw_pauses(count: int, frames: int, grid: int, config: AugmentationConfig, rng: np.random.Generator) -> Pauses:
    """Random pauses. Start and length are multiples of `grid` frames, and no pause is at the start of a window."""
    wanted = rng.random(count) < config.pause_probability
    length = np.rint(rng.uniform(*config.pause_fraction, count) * frames / grid).astype(np.int64) * grid
    length = np.where(wanted, np.minimum(length, frames - grid), 0)
    latest = np.maximum((frames - length) // grid, 1)
    start = rng.integers(1, latest + 1) * grid
    return Pauses(start, length)


def insert_pauses(windows: Floats, pauses: Pauses) -> Floats:
    """Windows [n, frames, n_mels] with silence inserted; frames pushed over the end are lost."""
    frames = windows.shape[1]
    source = pauses.source_frames(frames)
    result = np.take_along_axis(windows, source[:, :, None], axis=1)
    frame = np.arange(frames)
    start, length = pauses.start[:, None], pauses.length[:, None]
    result[(frame >= start) & (frame < start + length)] = 0
    return result


def band_centres(bands: int, top_hz: float = 8000.0) -> NDArray[np.float64]:
    """Centre frequencies in Hz of bands spaced evenly on Slaney's mel scale (linear up to 1 kHz)."""
    return mel_to_hz(np.linspace(0, hz_to_mel(np.array([top_hz]))[0], bands + 2)[1:-1])


# Slaney's scale: 66.7 Hz per mel below 1 kHz; above, 27 mels are a factor of 6.4.
def mel_to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))


def hz_to_mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    above = 15 + 27 * np.log(np.maximum(hertz, 1) / 1000) / np.log(6.4)
    return np.where(hertz < 1000, hertz * 3 / 200, above)


def _cosine_spread(bands: int) -> Floats:
    """Standard deviation of the mean cosine of random phases in each band, for 40 Hz bins and a Hann window."""
    centres = band_centres(bands)
    width = np.gradient(centres)  # the width of a triangle at half height is the distance to its neighbour
    independent_bins = np.maximum(width / 40 / 1.5, 1)
    return (1 / np.sqrt(2 * independent_bins)).astype(np.float32)


def _power(windows: Floats) -> Floats:
    """Mean power of each window: [..., frames, n_mels] -> [..., 1, 1]."""
    return windows.mean((-2, -1), keepdims=True)


def _ratio(rng: np.random.Generator, range_db: tuple[float, float], shape: tuple[int, ...]) -> Floats:
    """Power factors 10^(-dB / 10), uniform in dB."""
    return (10 ** (-rng.uniform(*range_db, shape) / 10)).astype(np.float32)
