"""Mels of free running beside those of recordings, to train a refiner on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from corpora.store import FeatureStore, FeatureWriter
from speech.mel import decode_mel
from synthesizer.fallbacks import key_seed
from synthesizer.refiner.data import Progress, item_arrays
from synthesizer.tacotron.config import InferenceSettings
from synthesizer.tacotron.decoding import SentenceInput
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.warping import decode_like
from synthesizer.text.transcript import Transcript, encode

BATCH_ROWS = 32  # recordings in a batch
DECODING = "free running"  # recorded in the store, so that one made otherwise is not continued


@torch.no_grad()
def decode_recordings(
    model: Tacotron2,
    store: FeatureStore,
    indices: Sequence[int],
    settings: InferenceSettings,
    directory: Path,
    origin: str,
    progress: Progress,
) -> FeatureStore:
    """Decode recordings of a store by free running into another store; those that are there already are kept.

    The items are those of `synthesizer.refiner.data.RefinerItems`.

    Args:
        settings: reduction factor and voice emphasis, as in free running.
        origin: identifies the weights of `model`. A store of other weights is refused.

    Raises:
        StorageError: the store has mels of a different model, or cannot be written.
    """
    mel_config = model.config.mel
    with FeatureWriter(directory) as writer:
        origins = {"model": origin, "decoding": DECODING, "reduction_factor": settings.reduction_factor}
        writer.write_info({"stage": "refiner", **origins})
        missing = [index for index in indices if store.keys[index] not in writer.done]
        missing.sort(key=lambda index: store.shape(index, "mel")[0])
        for first in progress(range(0, len(missing), BATCH_ROWS), "decoding"):
            chosen = missing[first : first + BATCH_ROWS]
            recorded = [decode_mel(store.array(index, "mel"), mel_config.max_abs_value).T for index in chosen]
            sentences = [_sentence(store, index) for index in chosen]
            for index, mel, made in zip(
                chosen, recorded, decode_like(model, sentences, recorded, settings), strict=True
            ):
                writer.add(store.keys[index], item_arrays(made.mel, made.symbols, mel, mel_config), {})
    return FeatureStore(directory)


def _sentence(store: FeatureStore, index: int) -> SentenceInput:
    """An utterance as input of the decoder, with a seed of its own."""
    symbols = encode(Transcript.from_json(store.meta(index)["transcript"]), 1.0)
    embedding = np.asarray(store.array(index, "embedding"), np.float32)
    return SentenceInput(np.asarray(symbols, np.int64), embedding, key_seed(store.keys[index]))
