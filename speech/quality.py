"""The gate for a reference clip: is this recording fit to clone a voice from, and if not, what should be done?

The figures below were set on 382 clips of clean read speech from eight corpora, none of which gets an error unless it
has less than 1.6 s of speech, and on 283 noises. Rain, surf, engines that run steadily and running water are refused;
barking dogs and revving chainsaws, which swell and have a pitch as a voice does, pass more often than not. A clip is
never changed here.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import uniform_filter1d

from speech.audio import SAMPLE_RATE, VAD_WINDOW_MS, as_wav, raise_volume, rms_dbfs, trim_long_silences
from speech.errors import AudioError
from speech.mel import ENCODER_N_MELS, ENCODER_WINDOW, encoder_mel, mel_filters

MIN_SPEECH_SECONDS = 1.6  # one partial utterance of the speaker encoder
GOOD_SPEECH_SECONDS = 4.0  # two and a half partials
SILENT_DBFS = -65.0

CLIPPING_BAND = 0.985  # samples this near to the largest one count as flattened
CLIPPED_WARNING, CLIPPED_ERROR = 0.001, 0.03  # clean speech stays below 0.0005

NOISY_WARNING_DB, NOISY_ERROR_DB = 12.0, 4.0  # clean recordings measure 12.4 dB and more
NOISE_SMOOTHING_FRAMES = 9
NOISE_PERCENTILE = 10
NOISE_BIAS_DB = 1.0  # a low percentile of noise lies below its mean

VOICED_PERIODICITY = 0.6
VOICED_BAND_HZ = (60, 400)  # range of a voice's fundamental
LOUD_BELOW_PEAK_DB = 25.0
MIN_VOICED_SHARE = 0.2  # clean speech has 0.35 and more, rain below 0.14, surf mostly below 0.17
MIN_LEVEL_SPREAD_DB = 3.0  # speech swells and falls by more than 6 dB, engines hum on

MIN_PARTIALS_PER_VOICE = 2
# By the public encoder: two people joined in one clip are 0.49 alike across the groups (95 of 100 below 0.62), the
# halves of one person 0.80 (1 clip of 173 below 0.62).
MAX_SIMILARITY_OF_VOICES = 0.62
MIN_SIMILARITY_GAP = 0.12


@dataclass(frozen=True)
class Remark:
    """One thing that is wrong with a clip: `sentence` says what, and what to do about it."""

    severity: Literal["error", "warning"]
    code: Literal["too_short", "silent", "clipped", "noisy", "not_speech", "several_voices"]
    sentence: str


@dataclass(frozen=True)
class ReferenceReport:
    """What `check_reference` measured.

    `speech_seconds` is what remains after long silences are cut, `snr_db` an estimate (NaN where there is nothing to
    measure), `clipped_fraction` the share of samples at the clip's flattened peaks.
    """

    seconds: float
    speech_seconds: float
    snr_db: float
    clipped_fraction: float
    remarks: tuple[Remark, ...] = ()

    @property
    def errors(self) -> tuple[Remark, ...]:
        return tuple(remark for remark in self.remarks if remark.severity == "error")

    @property
    def warnings(self) -> tuple[Remark, ...]:
        return tuple(remark for remark in self.remarks if remark.severity == "warning")

    def raise_for_errors(self) -> None:
        """Raise an `AudioError` with the sentences of all errors; warnings pass."""
        if self.errors:
            raise AudioError(" ".join(remark.sentence for remark in self.errors))


def check_reference(wav: np.ndarray, partial_embeddings: np.ndarray | None = None) -> ReferenceReport:
    """Judge a recording as a reference for a voice.

    Args:
        wav: [samples] at 16 kHz, as read (not trimmed, not raised).
        partial_embeddings: [partials, dim] of this clip by the speaker encoder, L2 norm 1; without them the clip is
            not searched for a second voice.
    Raises:
        AudioError: the wav is not one channel of finite numbers; everything else is a remark.
    """
    wav = as_wav(wav)
    seconds = len(wav) / SAMPLE_RATE
    if rms_dbfs(wav) < SILENT_DBFS:
        remark = Remark("error", "silent", "The clip is silent: check the microphone and record it again.")
        return ReferenceReport(seconds, 0.0, float("nan"), 0.0, (remark,))
    raised = raise_volume(wav)
    speech_seconds = len(trim_long_silences(raised)) / SAMPLE_RATE
    clipped, snr = clipped_fraction(wav), estimate_snr(raised)
    remarks = [
        _remark_on_length(speech_seconds),
        _remark_on_clipping(clipped),
        _remark_on_speech(raised, speech_seconds),
        _remark_on_noise(snr),
        _remark_on_voices(partial_embeddings),
    ]
    found = tuple(remark for remark in remarks if remark is not None)
    return ReferenceReport(seconds, speech_seconds, snr, clipped, found)


def clipped_fraction(wav: np.ndarray) -> float:
    """Share of samples within 1.5 % of the largest one of their sign, [samples] -> [0, 1].

    Relative to the clip's own peaks, so that a clipped recording is found even after its volume was turned down.
    """
    positive, negative = max(float(np.max(wav)), 0.0), max(float(-np.min(wav)), 0.0)
    above = np.count_nonzero(wav >= CLIPPING_BAND * positive) if positive > 0 else 0
    below = np.count_nonzero(wav <= -CLIPPING_BAND * negative) if negative > 0 else 0
    return float(above + below) / len(wav)


def estimate_snr(wav: np.ndarray) -> float:
    """Speech-to-noise ratio in dB of a clip at 16 kHz.

    On mixtures with real noise at 5 to 20 dB the median estimate is within 1.5 dB.

    Noise is what is there even in the quietest tenth of the time, taken for each mel band alone: no sound of speech
    fills all bands, so that this needs no pause (Martin's minimum statistics, 2001, without their tracking). A steady
    noise alone gives about 0, white silence behind speech 50 and more.
    """
    filters = mel_filters(SAMPLE_RATE, ENCODER_WINDOW, ENCODER_N_MELS, 0.0, SAMPLE_RATE / 2)
    power = encoder_mel(wav) / filters.max(axis=1)  # undoes the filters' scaling to unit area
    power = uniform_filter1d(power, NOISE_SMOOTHING_FRAMES, axis=0)
    noise = float(np.percentile(power, NOISE_PERCENTILE, axis=0).sum())
    speech = float(power.mean(axis=0).sum()) - noise
    return 10 * float(np.log10(max(speech, 1e-12) / max(noise, 1e-12))) - NOISE_BIAS_DB


def voiced_share(wav: np.ndarray) -> float:
    """Share of the loud 40 ms frames whose sound repeats like vocal folds do, by normalised autocorrelation."""
    size, hop = SAMPLE_RATE // 25, SAMPLE_RATE // 50
    if len(wav) < size:
        return 0.0
    frames = sliding_window_view(wav, size)[::hop]
    frames = frames - frames.mean(axis=1, keepdims=True)
    window = np.hanning(size).astype(np.float32)
    power = np.square(np.abs(scipy.fft.rfft(frames * window, 2 * size, axis=1)))
    own = scipy.fft.irfft(np.square(np.abs(scipy.fft.rfft(window, 2 * size))))
    shortest, longest = SAMPLE_RATE // VOICED_BAND_HZ[1], SAMPLE_RATE // VOICED_BAND_HZ[0]
    lags = scipy.fft.irfft(power, axis=1)[:, : longest + 1] / own[: longest + 1]
    periodicity = lags[:, shortest:] / (lags[:, :1] + 1e-12)
    best = periodicity.argmax(axis=1)
    # A maximum at the edge of the range is the slope of something slower or faster than a voice.
    inside = (best > 1) & (best < longest - shortest - 1)
    voiced = inside & (periodicity.max(axis=1) > VOICED_PERIODICITY)
    levels = _levels_db(frames)
    loud = levels > np.percentile(levels, 95) - LOUD_BELOW_PEAK_DB
    return float(np.count_nonzero(voiced & loud) / np.count_nonzero(loud))


def level_spread_db(wav: np.ndarray) -> float:
    """Standard deviation of the level over windows of 30 ms, in dB."""
    size = SAMPLE_RATE * VAD_WINDOW_MS // 1000
    count = len(wav) // size
    return float(np.std(_levels_db(wav[: count * size].reshape(count, size)))) if count else 0.0


def second_voice_gap(partial_embeddings: np.ndarray) -> tuple[float, float]:
    """Split partials into two groups and say how far apart they are.

    The two least similar partials start the groups; two-means on the sphere finishes them.

    Args:
        partial_embeddings: [partials, dim], L2 norm 1.
    Returns:
        (mean cosine similarity across the groups, how much more similar partials of one group are on average);
        (1, 0) where no two groups of `MIN_PARTIALS_PER_VOICE` can be made.
    """
    similarity = partial_embeddings @ partial_embeddings.T
    count = len(similarity)
    if count < 2 * MIN_PARTIALS_PER_VOICE:
        return 1.0, 0.0
    centres = partial_embeddings[list(np.unravel_index(np.argmin(similarity), similarity.shape))]
    group = np.zeros(count, dtype=bool)
    for _ in range(10):
        previous, group = group, np.argmax(partial_embeddings @ centres.T, axis=1).astype(bool)
        if not MIN_PARTIALS_PER_VOICE <= group.sum() <= count - MIN_PARTIALS_PER_VOICE:
            return 1.0, 0.0
        if np.array_equal(previous, group):
            break
        centres = np.stack([partial_embeddings[~group].mean(axis=0), partial_embeddings[group].mean(axis=0)])
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    same = group[:, None] == group[None, :]
    across = float(similarity[~same].mean())
    return across, float(similarity[same & ~np.eye(count, dtype=bool)].mean()) - across


def _levels_db(frames: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.einsum("ij,ij->i", frames, frames) / frames.shape[1] + 1e-12)


def _remark_on_length(speech_seconds: float) -> Remark | None:
    if speech_seconds < MIN_SPEECH_SECONDS:
        return Remark(
            "error",
            "too_short",
            f"The clip has only {speech_seconds:.1f} s of speech: record at least {MIN_SPEECH_SECONDS:g} s, "
            f"better {GOOD_SPEECH_SECONDS:g} s or more.",
        )
    if speech_seconds < GOOD_SPEECH_SECONDS:
        return Remark(
            "warning",
            "too_short",
            f"The clip has {speech_seconds:.1f} s of speech: the voice will resemble better from "
            f"{GOOD_SPEECH_SECONDS:g} s or more, or from several clips.",
        )
    return None


def _remark_on_clipping(fraction: float) -> Remark | None:
    if fraction < CLIPPED_WARNING:
        return None
    advice = "record again with the microphone's level turned down."
    if fraction < CLIPPED_ERROR:
        return Remark("warning", "clipped", f"The loudest parts of the clip are clipped ({fraction:.1%}): {advice}")
    return Remark("error", "clipped", f"The clip is badly clipped ({fraction:.0%} of it is flattened): {advice}")


def _remark_on_speech(raised: np.ndarray, speech_seconds: float) -> Remark | None:
    if (
        speech_seconds > 0
        and voiced_share(raised) >= MIN_VOICED_SHARE
        and level_spread_db(raised) > MIN_LEVEL_SPREAD_DB
    ):
        return None
    return Remark(
        "error",
        "not_speech",
        "Little in this clip sounds like speech: use a recording of one person talking, without music or noise.",
    )


def _remark_on_noise(snr_db: float) -> Remark | None:
    if snr_db >= NOISY_WARNING_DB:
        return None
    if snr_db < NOISY_ERROR_DB:
        return Remark(
            "error",
            "noisy",
            f"Noise drowns the voice (only {snr_db:.0f} dB between them): record in a quiet room, near the microphone.",
        )
    return Remark(
        "warning",
        "noisy",
        f"The clip is noisy (the voice is only {snr_db:.0f} dB above it): record in a quieter place if you can.",
    )


def _remark_on_voices(partial_embeddings: np.ndarray | None) -> Remark | None:
    if partial_embeddings is None:
        return None
    across, gap = second_voice_gap(np.asarray(partial_embeddings, dtype=np.float32))
    if across > MAX_SIMILARITY_OF_VOICES or gap < MIN_SIMILARITY_GAP:
        return None
    return Remark(
        "warning",
        "several_voices",
        "More than one voice seems to speak in this clip: cut out the parts in which only the wanted one does.",
    )
