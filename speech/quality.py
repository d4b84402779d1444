"""Quality check of reference clips: is a recording usable for cloning a voice, and if not, what should be done?

The clip is never changed. The thresholds were set on 400 clips of clean read speech from seven corpora, on mixtures of
those with 280 noises and with music, and on the noises alone. Stationary and fluctuating noise behind a voice is found
from about 10 dB SNR. Short events with silence in between (barks, ticks) do not count as noise. Among noises without
speech, rain, surf and engines are refused; barking dogs and chainsaws, which are voiced, mostly pass.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import uniform_filter1d

from speech.audio import SAMPLE_RATE, as_wav, raise_volume, remove_offset, rms_dbfs
from speech.errors import AudioError
from speech.mel import ENCODER_N_MELS, ENCODER_WINDOW, encoder_mel, mel_filters
from speech.music import Music, detect_music
from speech.second_speaker import PartialEmbeddings, SecondSpeaker, find_second_speaker, format_spans
from speech.vad import VAD_WINDOW_MS, speech_windows

MIN_SPEECH_SECONDS = 1.6  # one partial utterance of the speaker encoder
GOOD_SPEECH_SECONDS = 4.0  # two and a half partials
SILENT_DBFS = -65.0

CLIPPING_BAND = 0.985  # samples above this fraction of the peak count as clipped
CLIPPED_WARNING, CLIPPED_ERROR = 0.001, 0.03  # clean speech stays below 0.0005

# SNR below which a clip counts as noisy. Of 430 recordings of clean corpora 10 are below, 6 of them by one LibriSpeech
# speaker with background noise.
MIN_STATIONARY_SNR_DB, MIN_FLUCTUATING_SNR_DB = 15.5, 18.0
UNUSABLE_SNR_DB = 3.0
NOISE_SMOOTHING_FRAMES = 9
STATIONARY_PERCENTILE = 10
STATIONARY_BIAS_DB = 1.0  # a low percentile of noise is below its mean
FLUCTUATING_PERCENTILE = 30
FULL_PERCENTILE_SECONDS = 8.0  # shorter clips have fewer pauses between phones, so their percentiles are lower
LOWEST_HARMONICS_BANDS = 5  # mel bands, up to about 450 Hz

VOICED_PERIODICITY = 0.6
F0_RANGE_HZ = (60, 400)
LOUD_BELOW_PEAK_DB = 25.0
MIN_VOICED_FRACTION = 0.15  # clean speech has 0.35 and more, rain below 0.14, surf mostly below 0.17
MIN_LEVEL_STD_DB = 3.0  # speech varies by more than 6 dB, engines by less

# A clip is mostly music if the tones' energy exceeds the first value, or the second one if there is music in less than
# this fraction of the time.
MOSTLY_MUSIC_FRACTION, MOSTLY_MUSIC_ENERGY = 0.7, (0.06, 0.15)

FRAMES_PER_BLOCK = 1000  # of 20 ms, so that memory does not grow with the clip


@dataclass(frozen=True)
class Remark:
    """One problem of a clip. `sentence` says what is wrong and what to do."""

    severity: Literal["error", "warning"]
    code: Literal["too_short", "silent", "clipped", "noisy", "not_speech", "music", "several_voices", "unreadable"]
    sentence: str


@dataclass(frozen=True)
class ReferenceReport:
    """Measurements of `check_reference`.

    Attributes:
        seconds: length of the clip.
        speech_seconds: length without long silences.
        snr_db: estimated signal-to-noise ratio; NaN for a silent clip.
        clipped_fraction: fraction of samples at the clip's peaks.
        music_fraction: fraction of the time with sustained tones of music.
        consistency: mean cosine similarity of a partial with the others; NaN with fewer than two partials.
        second_speaker: None if only one speaker was found.
        remarks: the problems, errors first.
    """

    seconds: float
    speech_seconds: float
    snr_db: float = float("nan")
    clipped_fraction: float = 0.0
    music_fraction: float = 0.0
    consistency: float = float("nan")
    second_speaker: SecondSpeaker | None = None
    remarks: tuple[Remark, ...] = ()

    @property
    def errors(self) -> tuple[Remark, ...]:
        return tuple(remark for remark in self.remarks if remark.severity == "error")

    @property
    def warnings(self) -> tuple[Remark, ...]:
        return tuple(remark for remark in self.remarks if remark.severity == "warning")

    def raise_for_errors(self) -> None:
        """Raise an `AudioError` with the sentences of all errors; ignore warnings."""
        if self.errors:
            raise AudioError(" ".join(remark.sentence for remark in self.errors))


def check_reference(wav: np.ndarray, partials: PartialEmbeddings | None = None) -> ReferenceReport:
    """Check a recording as a reference clip for voice cloning.

    Args:
        wav: [samples] at 16 kHz, as decoded (not trimmed, level not raised).
        partials: the speaker encoder's partials of this clip; None skips the search for a second speaker.
    Raises:
        AudioError: the wav is not one channel of finite numbers. Any other problem is a remark.
    """
    wav = remove_offset(as_wav(wav))
    seconds = len(wav) / SAMPLE_RATE
    if rms_dbfs(wav) < SILENT_DBFS:
        remark = Remark("error", "silent", "The clip is silent: check the microphone and record it again.")
        return ReferenceReport(seconds, 0.0, remarks=(remark,))
    clipped = clipped_fraction(wav)
    wav = raise_volume(wav)
    speech_seconds = np.count_nonzero(speech_windows(wav)) * VAD_WINDOW_MS / 1000
    ratios, music = noise_ratios(wav), detect_music(wav)
    on_music = _remark_on_music(music)
    remarks = [_remark_on_length(speech_seconds), _remark_on_clipping(clipped), on_music]
    if on_music is None or on_music.severity != "error":  # for a clip of music these remarks would be meaningless
        remarks += [_remark_on_speech(wav, speech_seconds), _remark_on_noise(*ratios)]
    found = tuple(remark for remark in remarks if remark is not None)
    report = ReferenceReport(
        seconds, speech_seconds, min(ratios), clipped, music.fraction, remarks=_errors_first(found)
    )
    return report if partials is None else with_partials(report, partials)


def with_partials(report: ReferenceReport, partials: PartialEmbeddings) -> ReferenceReport:
    """Add the consistency of the partials and a second speaker to a clip's report.

    A clip without speech is not searched for a second speaker.
    """
    no_speech = any(remark.code in ("not_speech", "music") for remark in report.errors)
    second = None if no_speech else find_second_speaker(partials)
    consistency = float(np.mean(partials.similarity)) if len(partials.embeddings) > 1 else float("nan")
    remarks = report.remarks if second is None else _errors_first((*report.remarks, _remark_on_voices(second)))
    return replace(report, consistency=consistency, second_speaker=second, remarks=remarks)


def _errors_first(remarks: tuple[Remark, ...]) -> tuple[Remark, ...]:
    return tuple(sorted(remarks, key=lambda remark: remark.severity != "error"))


def clipped_fraction(wav: np.ndarray) -> float:
    """Fraction of samples within 1.5 % of the peak of their sign: [samples] -> [0, 1].

    It is relative to the clip's own peaks, so that clipping is found even after the level was lowered.
    """
    positive, negative = max(float(np.max(wav)), 0.0), max(float(-np.min(wav)), 0.0)
    above = np.count_nonzero(wav >= CLIPPING_BAND * positive) if positive > 0 else 0
    below = np.count_nonzero(wav <= -CLIPPING_BAND * negative) if negative > 0 else 0
    return float(above + below) / len(wav)


def noise_ratios(wav: np.ndarray) -> tuple[float, float]:
    """SNR in dB relative to stationary noise, and relative to fluctuating noise.

    The noise power of each mel band is a low percentile of its power over time. Since no phone fills all bands, this
    needs no pauses (minimum statistics, Martin 2001, without tracking). Stationary noise is the 10th percentile.
    Fluctuating noise is the 30th percentile without the bands of the lowest harmonics, which are active most of the
    time. Both are proportionally lower for clips of less than 8 s.

    On mixtures with rain, surf and engines at 5 to 20 dB the median error of the lower one is below 3 dB. Clean
    recordings give 25 to 35 dB, stationary noise alone about 0 dB.

    Args:
        wav: float32 [samples] at 16 kHz.
    """
    scale = min(1.0, len(wav) / (FULL_PERCENTILE_SECONDS * SAMPLE_RATE))
    filters = mel_filters(SAMPLE_RATE, ENCODER_WINDOW, ENCODER_N_MELS, 0.0, SAMPLE_RATE / 2)
    power = encoder_mel(wav) / filters.max(axis=1)  # undo the filters' normalisation to unit area
    smooth = uniform_filter1d(power, NOISE_SMOOTHING_FRAMES, axis=0)
    stationary = _ratio_db(smooth, scale * STATIONARY_PERCENTILE) - STATIONARY_BIAS_DB
    return stationary, _ratio_db(power[:, LOWEST_HARMONICS_BANDS:], scale * FLUCTUATING_PERCENTILE)


def _ratio_db(power: np.ndarray, percentile: float) -> float:
    """SNR in dB with a percentile over time as the noise power; `power` is [frames, bands]."""
    noise = np.percentile(power, percentile, axis=0).sum()
    return 10 * float(np.log10(max(power.mean(axis=0).sum() - noise, 1e-12) / max(noise, 1e-12)))


def voiced_fraction(wav: np.ndarray) -> float:
    """Fraction of the loud 40 ms frames that are voiced, by normalised autocorrelation: [samples] -> [0, 1]."""
    size, hop = SAMPLE_RATE // 25, SAMPLE_RATE // 50
    if len(wav) < size:
        return 0.0
    frames = sliding_window_view(wav, size)[::hop]
    blocks = [frames[start : start + FRAMES_PER_BLOCK] for start in range(0, len(frames), FRAMES_PER_BLOCK)]
    voiced, levels = (np.concatenate(parts) for parts in zip(*map(_voicing, blocks), strict=True))
    loud = levels > np.percentile(levels, 95) - LOUD_BELOW_PEAK_DB
    return float(np.count_nonzero(voiced & loud) / np.count_nonzero(loud))


def _voicing(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Voicing of frames [frames, 640] and their levels in dB: bool [frames], float32 [frames]."""
    size = frames.shape[1]
    frames = frames - frames.mean(axis=1, keepdims=True)
    window = np.hanning(size).astype(np.float32)
    power = np.square(np.abs(scipy.fft.rfft(frames * window, 2 * size, axis=1)))
    window_lags = scipy.fft.irfft(np.square(np.abs(scipy.fft.rfft(window, 2 * size))))
    shortest, longest = SAMPLE_RATE // F0_RANGE_HZ[1], SAMPLE_RATE // F0_RANGE_HZ[0]
    lags = scipy.fft.irfft(power, axis=1)[:, : longest + 1] / window_lags[: longest + 1]
    periodicity = lags[:, shortest:] / (lags[:, :1] + 1e-12)
    best = periodicity.argmax(axis=1)
    # A maximum at the edge of the range belongs to a period outside the F0 range.
    inside = (best > 1) & (best < longest - shortest - 1)
    return inside & (periodicity.max(axis=1) > VOICED_PERIODICITY), _levels_db(frames)


def level_std_db(wav: np.ndarray) -> float:
    """Standard deviation of the level of windows of 30 ms in dB."""
    size = SAMPLE_RATE * VAD_WINDOW_MS // 1000
    count = len(wav) // size
    return float(np.std(_levels_db(wav[: count * size].reshape(count, size)))) if count else 0.0


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
            f"The clip has {speech_seconds:.1f} s of speech: for a better likeness use "
            f"{GOOD_SPEECH_SECONDS:g} s or more, or several clips.",
        )
    return None


def _remark_on_clipping(fraction: float) -> Remark | None:
    if fraction < CLIPPED_WARNING:
        return None
    advice = "record it again with a lower microphone level."
    if fraction < CLIPPED_ERROR:
        return Remark("warning", "clipped", f"The loudest parts of the clip are clipped ({fraction:.1%}): {advice}")
    return Remark("error", "clipped", f"The clip is badly clipped ({fraction:.0%} of its samples): {advice}")


def _remark_on_speech(raised: np.ndarray, speech_seconds: float) -> Remark | None:
    if (
        speech_seconds > 0
        and voiced_fraction(raised) >= MIN_VOICED_FRACTION
        and level_std_db(raised) > MIN_LEVEL_STD_DB
    ):
        return None
    return Remark(
        "error",
        "not_speech",
        "Little in this clip sounds like speech: use a recording of one person talking, without music or noise.",
    )


def _remark_on_noise(stationary_db: float, fluctuating_db: float) -> Remark | None:
    if stationary_db >= MIN_STATIONARY_SNR_DB and fluctuating_db >= MIN_FLUCTUATING_SNR_DB:
        return None
    snr_db = min(stationary_db, fluctuating_db)
    if snr_db < UNUSABLE_SNR_DB:
        return Remark(
            "error",
            "noisy",
            f"The clip is too noisy (SNR {snr_db:.0f} dB): record in a quiet room, near the microphone.",
        )
    return Remark(
        "warning",
        "noisy",
        f"The clip is noisy (SNR {snr_db:.0f} dB): record in a quieter place if you can.",
    )


def _remark_on_music(music: Music) -> Remark | None:
    if not music.fraction:
        return None
    some, much = MOSTLY_MUSIC_ENERGY
    if music.energy > (some if music.fraction > MOSTLY_MUSIC_FRACTION else much):
        sentence = "The clip is mostly music: use a recording of one person talking, with no music behind it."
        return Remark("error", "music", sentence)
    return Remark(
        "warning",
        "music",
        f"Music plays in the clip ({format_spans(music.spans)}): use a recording without it, or cut those parts out.",
    )


def _remark_on_voices(second: SecondSpeaker) -> Remark:
    return Remark(
        "warning",
        "several_voices",
        f"A second speaker seems to speak {format_spans(second.spans)}: keep only the parts with the voice to clone.",
    )
