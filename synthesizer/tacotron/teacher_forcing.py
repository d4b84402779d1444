"""Ground-truth aligned (GTA) mels: the synthesizer's prediction of a recording, frame by frame.

A vocoder that was trained on mels of recordings does worse on those of a synthesizer, which are smoother. With the
recording's mel as decoder input (teacher forcing) the predicted mel has the timing of the recording, so the vocoder can
be trained on it (arXiv 1712.05884, section 3.3). A refiner is trained on mels of free running. With one, the mel is
that of free running, warped to the recording.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from speech.mel_f0 import f0_from_mel
from synthesizer.base import AlignedMel
from synthesizer.fallbacks import key_seed
from synthesizer.masks import SILENCE
from synthesizer.refiner.sampling import CoarseMel, refine
from synthesizer.tacotron.config import TacotronConfig
from synthesizer.tacotron.decoding import SentenceInput
from synthesizer.tacotron.model import Tacotron2, TeacherForcing
from synthesizer.tacotron.postfilter import add_harmonics
from synthesizer.tacotron.variance import restore_variance
from synthesizer.tacotron.warping import decode_like
from synthesizer.text.transcript import Transcript, encode

Floats = NDArray[np.float32]


def align_mel(
    model: Tacotron2, config: TacotronConfig, mel: Floats, transcript: Transcript, embedding: Floats, key: str
) -> AlignedMel:
    """Mel and alignment with the timing of a recording, see `synthesizer.base.Synthesizer.align`.

    The refiner, or the postfilter, is given the F0 of the recording.
    """
    inference, mel_config = config.inference, config.architecture.mel
    seed = key_seed(key)
    symbols, f0 = np.asarray(encode(transcript, 1.0), np.int64), f0_from_mel(mel, mel_config)
    made, alignment = _decode(model, config, mel, symbols, embedding, seed)
    if model.refiner is not None and inference.refiner_steps:  # it is trained on mels of free running
        (warped,) = decode_like(model, [SentenceInput(symbols, embedding, seed)], [mel], inference)
        coarse = CoarseMel(warped.mel, warped.symbols, f0, embedding)
        return AlignedMel(refine(model.refiner, coarse, inference, seed), alignment)
    if model.postfilter is not None:
        device = next(model.parameters()).device
        given, voice = (torch.from_numpy(np.array(values, np.float32)).to(device) for values in (made, embedding))
        made = add_harmonics(model.postfilter, given, voice, f0, mel_config).cpu().numpy()
    restored = restore_variance(made, inference.variance_gains, inference.variance_emphasis, mel_config.max_abs_value)
    return AlignedMel(np.ascontiguousarray(restored), alignment)


def _decode(
    model: Tacotron2, config: TacotronConfig, mel: Floats, symbols: NDArray[np.int64], embedding: Floats, seed: int
) -> tuple[Floats, Floats]:
    """The decoder's mel [n_mels, frames] of a recording, and its alignment [tokens, steps], by teacher forcing."""
    device, inference = next(model.parameters()).device, config.inference
    factor, frames = inference.reduction_factor, mel.shape[1]
    steps = -(-frames // factor)
    padded = np.full(((steps + config.training.tail_steps) * factor, len(mel)), SILENCE, np.float32)
    padded[:frames] = mel.T
    voice = torch.from_numpy(np.array(embedding, np.float32)).to(device)
    given = TeacherForcing(
        torch.from_numpy(symbols)[None].to(device),
        torch.tensor([len(symbols)], device=device),
        torch.from_numpy(padded)[None].to(device),
        torch.tensor([len(padded)], device=device),
        voice[None],
    )
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        output = model(given, factor, pitch_scale=inference.pitch_predictor_emphasis)
    limit = config.architecture.mel.max_abs_value
    made = output.mel[0, :frames].float().clamp(-limit, limit).T
    return np.ascontiguousarray(made.cpu().numpy()), output.alignments[0, :, :steps].float().cpu().numpy()
