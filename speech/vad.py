"""Voice activity detection (VAD) with webrtcvad, and removal of silence by VAD or by energy."""

import numpy as np

from speech.audio import BLOCK_SAMPLES, SAMPLE_RATE, as_wav, remove_offset, volume_gain
from speech.errors import AudioError

VAD_WINDOW_MS = 30  # the longest window that webrtcvad accepts
VAD_WINDOW = SAMPLE_RATE * VAD_WINDOW_MS // 1000  # samples at 16 kHz
VAD_MODE = 3  # the most aggressive mode
VAD_SMOOTHING_WINDOWS = 8
VAD_MAX_SILENCE_WINDOWS = 6  # speech is extended by half of this on either side

EDGE_BELOW_DB = 40.0
EDGE_MARGIN_SECONDS = 0.05


def vad_flags(wav: np.ndarray, sample_rate: int = SAMPLE_RATE, gain: float = 1.0) -> np.ndarray:
    """webrtcvad's decision for each whole window of 30 ms.

    Args:
        wav: float32 [samples].
        sample_rate: 8000, 16000, 32000 or 48000 Hz, the rates that webrtcvad supports.
        gain: factor applied to the samples before detection.
    Returns:
        bool [samples // window].
    """
    import webrtcvad

    window = sample_rate * VAD_WINDOW_MS // 1000
    step = 2 * window  # bytes
    vad = webrtcvad.Vad(VAD_MODE)
    whole = len(wav) // window * window
    flags: list[bool] = []
    for start in range(0, whole, BLOCK_SAMPLES):
        # Clip before the conversion: values beyond full scale would wrap around into noise that looks like speech.
        scaled = wav[start : min(start + BLOCK_SAMPLES, whole)] * np.float32(gain)
        scaled *= np.float32(32767)
        np.clip(np.rint(scaled, out=scaled), -32767, 32767, out=scaled)
        pcm = scaled.astype("<i2").tobytes()
        flags += [vad.is_speech(pcm[at : at + step], sample_rate) for at in range(0, len(pcm), step)]
    return np.array(flags, dtype=bool)


def speech_windows(wav: np.ndarray, gain: float = 1.0) -> np.ndarray:
    """Windows of 30 ms that remain when silences of more than about 0.2 s are removed.

    The VAD flags are averaged over 8 windows. What is voiced is then extended by 3 windows on either side.

    Args:
        wav: float32 [samples] at 16 kHz.
        gain: as in `vad_flags`.
    Returns:
        bool [samples // 480].
    """
    flags = vad_flags(wav, gain=gain)
    if not flags.any():
        return flags
    # The averaging width is even: it covers one more window ahead than behind.
    totals = _window_sums(flags, VAD_SMOOTHING_WINDOWS // 2 - 1, VAD_SMOOTHING_WINDOWS // 2)
    voiced = 2 * totals > VAD_SMOOTHING_WINDOWS
    return _window_sums(voiced, VAD_MAX_SILENCE_WINDOWS // 2, VAD_MAX_SILENCE_WINDOWS // 2) > 0


def _window_sums(flags: np.ndarray, behind: int, ahead: int) -> np.ndarray:
    """Number of flags set from `behind` before each position to `ahead` after it, zero-padded at the ends."""
    sums = np.concatenate([np.zeros(behind + 1, np.int64), np.cumsum(flags), np.full(ahead, np.count_nonzero(flags))])
    return sums[behind + ahead + 1 :] - sums[: -behind - ahead - 1]


def select_windows(wav: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The windows of 30 ms that are to be kept, see `speech_windows`: float32 [kept samples]."""
    return wav[: len(kept) * VAD_WINDOW].reshape(-1, VAD_WINDOW)[kept].reshape(-1)


def prepare_reference(wav: np.ndarray) -> np.ndarray:
    """Input of the speaker encoder: DC offset removed, volume raised to -30 dBFS, long silences removed.

    Args:
        wav: [samples] at 16 kHz.
    Returns:
        float32 [kept samples], never empty.
    Raises:
        AudioError: the wav is not one channel of finite numbers, is silent, or holds no speech.
    """
    return prepare_with_windows(wav)[0]


def prepare_with_windows(wav: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`prepare_reference`, with the indices of the windows that were kept.

    Returns:
        float32 [480 * windows], the input of the encoder; int64 [windows], indices of the clip's windows of 30 ms that
        it consists of.
    Raises:
        AudioError: as `prepare_reference`.
    """
    wav = remove_offset(as_wav(wav))
    gain = volume_gain(wav)
    kept = speech_windows(wav, gain)
    if not kept.any():
        raise AudioError("No speech was found in this clip: use a recording in which somebody speaks.")
    prepared = select_windows(wav, kept)
    prepared *= np.float32(gain)
    return prepared, np.flatnonzero(kept)


def trim_edges(wav: np.ndarray, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """A view of `wav` without the silence at its ends (see `signal_bounds`); empty where the clip is silent."""
    start, end = signal_bounds(wav, sample_rate)
    return wav[start:end]


def signal_bounds(wav: np.ndarray, sample_rate: int = SAMPLE_RATE) -> tuple[int, int]:
    """Start and end of the signal by energy. Inner pauses stay.

    A frame of 25 ms belongs to the signal when its level is within 40 dB of the clip's loud frames or, in a noisy
    clip, 6 dB above its quietest frames. The threshold is never less than 25 dB below the loud frames, so that soft
    final consonants are kept.

    Returns:
        Index of the first sample and index after the last one, with 50 ms of margin at either end; (0, 0) for a silent
        clip.
    """
    window, hop = sample_rate // 40, sample_rate // 100
    if len(wav) < window:
        return (0, len(wav)) if np.any(wav) else (0, 0)
    frames = np.lib.stride_tricks.sliding_window_view(wav, window)[::hop]
    levels = 10 * np.log10(np.einsum("ij,ij->i", frames, frames) / window + 1e-12)
    loud, floor = np.percentile(levels, [95, 5])
    if loud < -100:
        return 0, 0
    threshold = min(max(loud - EDGE_BELOW_DB, floor + 6), loud - 25)
    active = np.flatnonzero(levels > threshold)
    margin = int(EDGE_MARGIN_SECONDS * sample_rate)
    return max(0, int(active[0]) * hop - margin), min(len(wav), int(active[-1]) * hop + window + margin)
