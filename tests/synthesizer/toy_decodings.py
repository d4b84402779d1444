"""Artificial decodings of a text: an alignment along a path, and a mel with speech where it belongs."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from synthesizer.decoding_check import Decoded
from synthesizer.splitting import breaks_of
from synthesizer.text.front_end import text_to_transcript
from synthesizer.text.transcript import Transcript, encode

FACTOR = 4  # frames per step
KINDS = ("constant", "noise", "faint noise", "buzz", "tone", "shuffled", "blurred")


def along(path, tokens: int, blur: float = 0.1) -> np.ndarray:
    """An alignment whose peak follows a path, with some weight on the neighbours: float32 [tokens, steps]."""
    distance = np.abs(np.arange(tokens)[:, None] - np.asarray(path)[None, :])
    weights = np.where(distance == 0, 1 - 2 * blur, np.where(distance == 1, blur, 0.0))
    return (weights / weights.sum(axis=0)).astype(np.float32)


def toy_decoding(transcript: Transcript | str, path=None, stopped: bool = True, level: float = 1.0) -> Decoded:
    """A decoding along a path, by default about two steps for each token; silent on spaces, punctuation and the end.

    Args:
        level: mel value of the lowest bands of speech.
    """
    transcript = text_to_transcript(transcript) if isinstance(transcript, str) else transcript
    tokens = len(encode(transcript, 1.0))
    path = np.repeat(np.arange(tokens), durations(tokens)) if path is None else np.asarray(path)
    breaks = np.array(breaks_of(transcript))
    mel = np.full((80, FACTOR * len(path)), -4.0, np.float32)
    speech = np.repeat(~breaks[path], FACTOR)
    mel[:, speech] = speech_mel(FACTOR * len(path), level)[:, speech]
    return Decoded(np.clip(mel, -4, 4), along(path, tokens, blur=0.05), stopped)


def durations(tokens: int) -> np.ndarray:
    """Steps of each token: two on average, and at most two of the last."""
    steps = np.resize([2, 1, 3, 2], tokens)
    return np.append(steps[:-1], 2)


def speech_mel(frames: int, level: float) -> np.ndarray:
    """Harmonics under a falling spectrum whose shape and level change smoothly: float32 [80, frames]."""
    bands, times = np.arange(80)[:, None], np.arange(frames)[None, :]
    formants = np.random.default_rng(0).standard_normal((80, frames + 40))
    for axis, width in ((0, 6), (1, 5)):
        formants = gaussian_filter1d(formants, width, axis=axis)
    formants = formants[:, 20 : frames + 20] / formants.std()
    harmonics = 0.4 * np.cos(2 * np.pi * bands / 3.3) * (bands < 45)
    return level - 0.03 * bands + 0.7 * formants + harmonics + 0.6 * np.sin(times / 6) - 1.0


def gibberish(kind: str, frames: int, seed: int = 0) -> np.ndarray:
    """A mel that is not speech, of one of KINDS: float32 [80, frames]."""
    rng = np.random.default_rng(seed)
    speech = speech_mel(frames, 1.0)
    mel = {
        "constant": np.full((80, frames), 0.5),
        "noise": rng.uniform(-4, 4, (80, frames)),
        "faint noise": -1 + rng.normal(0, 0.5, (80, frames)),
        "buzz": np.repeat(speech[:, frames // 2, None], frames, axis=1),
        "tone": np.repeat(np.where(np.arange(80) == 12, 2.0, -3.0)[:, None], frames, axis=1),
        "shuffled": speech[:, rng.permutation(frames)],
        # the mean spectrum with a little dropout noise, as after a few training steps
        "blurred": speech.mean(axis=1, keepdims=True) + rng.normal(0, 0.15, (80, frames)),
    }[kind]
    return np.clip(mel, -4, 4).astype(np.float32)


def path_of(transcript: Transcript, *segments: tuple[int, int] | tuple[int, int, int]) -> np.ndarray:
    """Tokens from `first` to `last - 1`, segment by segment; about two steps each, or the number that is third."""
    return np.concatenate(
        [np.repeat(np.arange(first, last), *(rest or (durations(last - first),))) for first, last, *rest in segments]
    )
