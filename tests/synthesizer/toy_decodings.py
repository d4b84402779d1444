"""Artificial decodings of a text: an alignment along a path, and a mel with speech where it belongs."""

import numpy as np

from synthesizer.decoding_check import Decoded
from synthesizer.splitting import breaks_of
from synthesizer.text.front_end import text_to_transcript
from synthesizer.text.transcript import Transcript, encode

FACTOR = 4  # frames per step


def along(path, tokens: int, blur: float = 0.1) -> np.ndarray:
    """An alignment whose peak follows a path, with some weight on the neighbours: float32 [tokens, steps]."""
    distance = np.abs(np.arange(tokens)[:, None] - np.asarray(path)[None, :])
    weights = np.where(distance == 0, 1 - 2 * blur, np.where(distance == 1, blur, 0.0))
    return (weights / weights.sum(axis=0)).astype(np.float32)


def toy_decoding(transcript: Transcript | str, path=None, stopped: bool = True, level: float = 2.0) -> Decoded:
    """A decoding along a path, by default two steps for each token; silent on spaces, punctuation and the end.

    Args:
        level: mel value of speech.
    """
    transcript = text_to_transcript(transcript) if isinstance(transcript, str) else transcript
    tokens = len(encode(transcript, 1.0))
    path = np.repeat(np.arange(tokens), 2) if path is None else np.asarray(path)
    breaks = np.array(breaks_of(transcript))
    mel = np.full((80, FACTOR * len(path)), -4.0, np.float32)
    speech = np.repeat(~breaks[path], FACTOR)
    mel[:, speech] = level + np.random.default_rng(0).normal(0, 0.3, (80, speech.sum())).astype(np.float32)
    return Decoded(np.clip(mel, -4, 4), along(path, tokens, blur=0.05), stopped)


def path_of(transcript: Transcript, *segments: tuple[int, int] | tuple[int, int, int]) -> np.ndarray:
    """Tokens from `first` to `last - 1`, segment after segment; two steps each, or the number that is given third."""
    return np.concatenate([np.repeat(np.arange(first, last), *(rest or (2,))) for first, last, *rest in segments])
