"""Lossy codecs and narrow bands: how recordings change on their way over telephones and the web."""

from __future__ import annotations

import io

import numpy as np

from speech.audio import SAMPLE_RATE, as_wav, pcm16, resample
from speech.containers import in_memory

CONTAINERS = {"libopus": "ogg", "libmp3lame": "mp3"}
EFFORT = {"compression_level": "3"}  # of the encoders: several times as fast as their defaults
TELEPHONE_RATE = 8_000


def coded(wav: np.ndarray, codec: str, kilobits: float) -> np.ndarray:
    """Encode and decode a clip in memory.

    Args:
        wav: float32 [samples] at 16 kHz.
        codec: "libopus" or "libmp3lame", FFmpeg's names of the encoders.
        kilobits: per second.

    Returns:
        float32 [samples], the same number; the delay of an encoder remains.
    """
    import av

    file = io.BytesIO()
    with in_memory(file, "w", CONTAINERS[codec]) as container:
        stream = container.add_stream(codec, rate=SAMPLE_RATE, layout="mono", options=EFFORT)
        stream.bit_rate = round(1000 * kilobits)
        frame = av.AudioFrame.from_ndarray(pcm16(as_wav(wav))[None], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
    with in_memory(file, "r", CONTAINERS[codec]) as container:
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    frames += resampler.resample(None)
    decoded = np.concatenate([frame.to_ndarray()[0] for frame in frames])[: len(wav)]
    return np.pad(decoded, (0, len(wav) - len(decoded)))


def telephone(wav: np.ndarray) -> np.ndarray:
    """Without frequencies above 4 kHz: float32 [samples] at 16 kHz -> the same shape and rate."""
    narrow = resample(resample(wav, SAMPLE_RATE, TELEPHONE_RATE), TELEPHONE_RATE, SAMPLE_RATE)[: len(wav)]
    return np.pad(narrow, (0, len(wav) - len(narrow)))
