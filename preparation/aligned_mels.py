"""Mels as the synthesizer would make them, aligned to a recording frame by frame.

A vocoder that has only heard mels of recordings is surprised by those of a synthesizer, which are smoother. Fed with
the true mel at every step (teacher forcing), the synthesizer gives a mel of its own kind that has the timing of the
recording, so that the vocoder can learn to make the one's sound from the other's mel (arXiv 1712.05884, section 3.3).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from synthesizer import Synthesizer
    from synthesizer.text.transcript import Transcript


class AlignedMel(NamedTuple):
    """A teacher-forced mel, float32 [frames, n_mels] in [-4, 4], and its alignment, float32 [tokens, steps]."""

    mel: np.ndarray
    alignment: np.ndarray


def aligned_mel(
    synthesizer: Synthesizer, mel: np.ndarray, transcript: Transcript, embedding: np.ndarray, key: str
) -> AlignedMel:
    """The synthesizer's rendering of a recording.

    Args:
        mel: of the recording, float32 [frames, n_mels], dB scaled to [-4, 4].
        transcript: what is said in it.
        embedding: of the voice, [256], of the space that the synthesizer understands.
        key: seeds the prenet's dropout, so that an utterance gives the same mel in whatever run and order.
    """
    import torch

    from speech.mel_f0 import f0_from_mel
    from synthesizer.tacotron.model import SILENCE
    from synthesizer.tacotron.postfilter import draw_harmonics
    from synthesizer.tacotron.variance import restore_variance
    from synthesizer.text.transcript import encode

    config = synthesizer.config
    factor, frames = config.reduction_factor, len(mel)
    steps = -(-frames // factor)
    padded = np.full(((steps + config.tail_steps) * factor, mel.shape[1]), SILENCE, np.float32)
    padded[:frames] = mel
    symbols = torch.from_numpy(np.asarray(encode(transcript, 1.0), np.int64))[None]
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(zlib.crc32(key.encode("utf-8", "surrogatepass")))
        output = synthesizer.model(
            symbols.to(synthesizer.device),
            torch.tensor([symbols.shape[1]], device=synthesizer.device),
            torch.from_numpy(padded)[None].to(synthesizer.device),
            torch.tensor([len(padded)], device=synthesizer.device),
            torch.from_numpy(np.asarray(embedding, np.float32))[None].to(synthesizer.device),
        )
    limit, postfilter = config.mel.max_abs_value, synthesizer.model.postfilter
    made = output.mel[0, :frames].float().clamp(-limit, limit).T
    if postfilter is not None:  # told the recording's own pitch: its sound is what the vocoder is to make of the mel
        voice = torch.from_numpy(np.array(embedding, np.float32)).to(synthesizer.device)
        made = draw_harmonics(postfilter, made, voice, f0_from_mel(mel.T, config.mel), config)
    given_back = restore_variance(made.cpu().numpy(), config.variance_gains, config.variance_emphasis, limit)
    return AlignedMel(np.ascontiguousarray(given_back.T), output.alignments[0, :, :steps].float().cpu().numpy())
