"""Ground-truth aligned (GTA) mels: the synthesizer's prediction of a recording, frame by frame.

A vocoder that was trained on mels of recordings does worse on those of a synthesizer, which are smoother. With the
recording's mel as decoder input (teacher forcing) the predicted mel has the timing of the recording, so the vocoder can
be trained on it (arXiv 1712.05884, section 3.3).
"""

from __future__ import annotations

import zlib

import numpy as np
import torch
from numpy.typing import NDArray

from speech.mel_f0 import f0_from_mel
from synthesizer.base import AlignedMel
from synthesizer.tacotron.config import TacotronConfig
from synthesizer.tacotron.model import SILENCE, Tacotron2, TeacherForcing
from synthesizer.tacotron.postfilter import add_harmonics
from synthesizer.tacotron.refiner.sampling import CoarseMel, refine, spoken_symbols
from synthesizer.tacotron.variance import restore_variance
from synthesizer.text.transcript import Transcript, encode

Floats = NDArray[np.float32]


def align_mel(
    model: Tacotron2, config: TacotronConfig, mel: Floats, transcript: Transcript, embedding: Floats, key: str
) -> AlignedMel:
    """Teacher-forced mel and alignment of a recording, see `synthesizer.base.Synthesizer.align`.

    The refiner, or the postfilter, is given the F0 of the recording.
    """
    device, inference = next(model.parameters()).device, config.inference
    factor, frames = inference.reduction_factor, mel.shape[1]
    seed = zlib.crc32(key.encode("utf-8", "surrogatepass"))
    steps = -(-frames // factor)
    padded = np.full(((steps + config.training.tail_steps) * factor, len(mel)), SILENCE, np.float32)
    padded[:frames] = mel.T
    symbols = torch.from_numpy(np.asarray(encode(transcript, 1.0), np.int64))[None]
    voice = torch.from_numpy(np.array(embedding, np.float32)).to(device)
    given = TeacherForcing(
        symbols.to(device),
        torch.tensor([symbols.shape[1]], device=device),
        torch.from_numpy(padded)[None].to(device),
        torch.tensor([len(padded)], device=device),
        voice[None],
    )
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        output = model(given, factor, pitch_scale=inference.pitch_predictor_emphasis)
    mel_config = config.architecture.mel
    limit = mel_config.max_abs_value
    made = output.mel[0, :frames].float().clamp(-limit, limit).T
    alignment = output.alignments[0, :, :steps].float().cpu().numpy()
    if model.refiner is not None and inference.refiner_steps:
        spoken = spoken_symbols(symbols[0].numpy(), alignment, steps * factor)[:frames]
        coarse = CoarseMel(made.cpu().numpy(), spoken, f0_from_mel(mel, mel_config), embedding)
        return AlignedMel(refine(model.refiner, coarse, inference, seed), alignment)
    if model.postfilter is not None:
        made = add_harmonics(model.postfilter, made, voice, f0_from_mel(mel, mel_config), mel_config)
    restored = restore_variance(made.cpu().numpy(), inference.variance_gains, inference.variance_emphasis, limit)
    return AlignedMel(np.ascontiguousarray(restored), alignment)
