"""The gate for a reference clip: is this recording fit to clone a voice from, and if not, what should be done?

A clip is never changed here. The figures below were set on 400 clips of clean read speech from seven corpora, on those
mixed with 280 noises and with music, and on the noises alone. Steady and swelling noise behind a voice is noticed from
about 10 dB; short sounds with silence in between (barks, ticks) are not noise by this measure. Alone, rain, surf and
engines are refused; barking dogs and revving chainsaws, which have a pitch as a voice does, pass more often than not.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import uniform_filter1d

from speech.audio import SAMPLE_RATE, as_wav, raise_volume, rms_dbfs
from speech.errors import AudioError
from speech.mel import ENCODER_N_MELS, ENCODER_WINDOW, encoder_mel, mel_filters
from speech.music import HeldTones, find_held_tones
from speech.second_speaker import PartialEmbeddings, SecondSpeaker, find_second_speaker, format_spans
from speech.vad import VAD_WINDOW_MS, speech_windows

MIN_SPEECH_SECONDS = 1.6  # one partial utterance of the speaker encoder
GOOD_SPEECH_SECONDS = 4.0  # two and a half partials
SILENT_DBFS = -65.0

CLIPPING_BAND = 0.985  # samples this near to the largest one count as flattened
CLIPPED_WARNING, CLIPPED_ERROR = 0.001, 0.03  # clean speech stays below 0.0005

# Of 430 recordings of clean corpora 10 measure less than these, 6 of them by one LibriSpeech speaker before noise. The
# upper bands have less of the voice, but not of most noises.
NOISY_STEADY_DB, NOISY_SWELLING_DB = 15.5, 18.0
DROWNED_DB = 3.0
NOISE_SMOOTHING_FRAMES = 9
NOISE_PERCENTILE = 10
NOISE_BIAS_DB = 1.0  # a low percentile of noise lies below its mean
SWELLING_PERCENTILE = 30
LOWEST_HARMONICS_BANDS = 5  # mel bands, up to about 450 Hz

VOICED_PERIODICITY = 0.6
VOICED_BAND_HZ = (60, 400)  # range of a voice's fundamental
LOUD_BELOW_PEAK_DB = 25.0
MIN_VOICED_SHARE = 0.15  # clean speech has 0.35 and more, rain below 0.14, surf mostly below 0.17
MIN_LEVEL_SPREAD_DB = 3.0  # speech swells and falls by more than 6 dB, engines hum on

MOSTLY_MUSIC_SHARE, MOSTLY_MUSIC_ENERGY = 0.7, (0.06, 0.15)  # much of the time with some energy, or much energy

FRAMES_PER_BLOCK = 1000  # of 20 ms, so that memory does not grow with the clip


@dataclass(frozen=True)
class Remark:
    """One thing that is wrong with a clip: `sentence` says what, and what to do about it."""

    severity: Literal["error", "warning"]
    code: Literal["too_short", "silent", "clipped", "noisy", "not_speech", "music", "several_voices"]
    sentence: str


@dataclass(frozen=True)
class ReferenceReport:
    """What `check_reference` measured.

    Attributes:
        seconds: length of the clip.
        speech_seconds: what remains after long silences are cut.
        snr_db: estimate; NaN where there is nothing to measure.
        clipped_fraction: share of samples at the clip's flattened peaks.
        music_share: share of the time in which tones are held as instruments hold them.
        consistency: mean similarity of a partial with the others; NaN without two partials.
        second_speaker: where somebody else speaks, if anybody does.
        remarks: what is wrong, the gravest first.
    """

    seconds: float
    speech_seconds: float
    snr_db: float = float("nan")
    clipped_fraction: float = 0.0
    music_share: float = 0.0
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
        """Raise an `AudioError` with the sentences of all errors; warnings pass."""
        if self.errors:
            raise AudioError(" ".join(remark.sentence for remark in self.errors))


def check_reference(wav: np.ndarray, partials: PartialEmbeddings | None = None) -> ReferenceReport:
    """Judge a recording as a reference for a voice.

    Args:
        wav: [samples] at 16 kHz, as read (not trimmed, not raised).
        partials: what the speaker encoder heard in this clip; without it nobody else is searched for.
    Raises:
        AudioError: the wav is not one channel of finite numbers; everything else is a remark.
    """
    wav = as_wav(wav)
    seconds = len(wav) / SAMPLE_RATE
    if rms_dbfs(wav) < SILENT_DBFS:
        remark = Remark("error", "silent", "The clip is silent: check the microphone and record it again.")
        return ReferenceReport(seconds, 0.0, remarks=(remark,))
    clipped = clipped_fraction(wav)
    wav = raise_volume(wav)
    speech_seconds = np.count_nonzero(speech_windows(wav)) * VAD_WINDOW_MS / 1000
    ratios, tones = noise_ratios(wav), find_held_tones(wav)
    music = _remark_on_music(tones)
    remarks = [_remark_on_length(speech_seconds), _remark_on_clipping(clipped), music]
    if music is None or music.severity != "error":  # what music is like beside speech tells nobody anything
        remarks += [_remark_on_speech(wav, speech_seconds), _remark_on_noise(*ratios)]
    found = tuple(remark for remark in remarks if remark is not None)
    report = ReferenceReport(seconds, speech_seconds, min(ratios), clipped, tones.share, remarks=_gravest_first(found))
    return report if partials is None else with_partials(report, partials)


def with_partials(report: ReferenceReport, partials: PartialEmbeddings) -> ReferenceReport:
    """The report of a clip with what its partials tell: how alike they are, and whether somebody else speaks.

    Where the clip is no speech, voices are not told apart.
    """
    no_speech = any(remark.code in ("not_speech", "music") for remark in report.errors)
    second = None if no_speech else find_second_speaker(partials)
    consistency = float(np.mean(partials.similarity)) if len(partials.embeddings) > 1 else float("nan")
    remarks = report.remarks if second is None else _gravest_first((*report.remarks, _remark_on_voices(second)))
    return replace(report, consistency=consistency, second_speaker=second, remarks=remarks)


def _gravest_first(remarks: tuple[Remark, ...]) -> tuple[Remark, ...]:
    return tuple(sorted(remarks, key=lambda remark: remark.severity != "error"))


def clipped_fraction(wav: np.ndarray) -> float:
    """Share of samples within 1.5 % of the largest one of their sign, [samples] -> [0, 1].

    Relative to the clip's own peaks, so that a clipped recording is found even after its volume was turned down.
    """
    positive, negative = max(float(np.max(wav)), 0.0), max(float(-np.min(wav)), 0.0)
    above = np.count_nonzero(wav >= CLIPPING_BAND * positive) if positive > 0 else 0
    below = np.count_nonzero(wav <= -CLIPPING_BAND * negative) if negative > 0 else 0
    return float(above + below) / len(wav)


def estimate_snr(wav: np.ndarray) -> float:
    """Speech-to-noise ratio in dB of a clip at 16 kHz, by `noise_ratios`.

    On mixtures with rain, surf, engines and the like at 5 to 20 dB the median estimate is within 3 dB. White silence
    behind speech gives 25 to 35, a steady noise alone about 0.
    """
    return min(noise_ratios(wav))


def noise_ratios(wav: np.ndarray) -> tuple[float, float]:
    """How many dB speech is above noise that is steady, and above noise that swells and ebbs.

    Noise is what is there even in the quieter part of the time, taken for each mel band alone: no sound of speech
    fills all bands, so that this needs no pause (Martin's minimum statistics, 2001, without their tracking). Steady
    noise shows in the quietest tenth of the time; a swelling one shows in the quietest third, where the bands of the
    lowest harmonics, which hardly ever rest, must be left out.

    Args:
        wav: float32 [samples] at 16 kHz.
    """
    filters = mel_filters(SAMPLE_RATE, ENCODER_WINDOW, ENCODER_N_MELS, 0.0, SAMPLE_RATE / 2)
    power = encoder_mel(wav) / filters.max(axis=1)  # undoes the filters' scaling to unit area
    smooth = uniform_filter1d(power, NOISE_SMOOTHING_FRAMES, axis=0)
    steady = _ratio_db(smooth, NOISE_PERCENTILE) - NOISE_BIAS_DB
    return steady, _ratio_db(power[:, LOWEST_HARMONICS_BANDS:], SWELLING_PERCENTILE)


def _ratio_db(power: np.ndarray, percentile: float) -> float:
    """Mean power above what a percentile in time calls noise, relative to it; power: [frames, bands]."""
    noise = np.percentile(power, percentile, axis=0).sum()
    return 10 * float(np.log10(max(power.mean(axis=0).sum() - noise, 1e-12) / max(noise, 1e-12)))


def voiced_share(wav: np.ndarray) -> float:
    """Share of the loud 40 ms frames whose sound repeats like vocal folds do, by normalised autocorrelation."""
    size, hop = SAMPLE_RATE // 25, SAMPLE_RATE // 50
    if len(wav) < size:
        return 0.0
    frames = sliding_window_view(wav, size)[::hop]
    blocks = [frames[start : start + FRAMES_PER_BLOCK] for start in range(0, len(frames), FRAMES_PER_BLOCK)]
    voiced, levels = (np.concatenate(parts) for parts in zip(*map(_voicing, blocks), strict=True))
    loud = levels > np.percentile(levels, 95) - LOUD_BELOW_PEAK_DB
    return float(np.count_nonzero(voiced & loud) / np.count_nonzero(loud))


def _voicing(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each of some frames [frames, 640] is voiced, and its level in dB."""
    size = frames.shape[1]
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
    return inside & (periodicity.max(axis=1) > VOICED_PERIODICITY), _levels_db(frames)


def level_spread_db(wav: np.ndarray) -> float:
    """Standard deviation of the level over windows of 30 ms, in dB."""
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


def _remark_on_noise(steady_db: float, swelling_db: float) -> Remark | None:
    if steady_db >= NOISY_STEADY_DB and swelling_db >= NOISY_SWELLING_DB:
        return None
    snr_db = min(steady_db, swelling_db)
    if snr_db < DROWNED_DB:
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


def _remark_on_music(tones: HeldTones) -> Remark | None:
    if not tones.share:
        return None
    some, much = MOSTLY_MUSIC_ENERGY
    if tones.energy > (some if tones.share > MOSTLY_MUSIC_SHARE else much):
        sentence = "The clip is mostly music: use a recording of one person talking, with no music behind it."
        return Remark("error", "music", sentence)
    return Remark(
        "warning",
        "music",
        f"Music plays in the clip ({format_spans(tones.spans)}): use a recording without it, or cut those parts out.",
    )


def _remark_on_voices(second: SecondSpeaker) -> Remark:
    return Remark(
        "warning",
        "several_voices",
        f"A second voice seems to speak {format_spans(second.spans)}: keep only the parts in which the wanted one does.",
    )
