"""Prepare a few minutes of one voice for `train_synth.py --adapt`."""

from __future__ import annotations

from pathlib import Path

from preparation.run import run
from preparation.synthesizer import Synthesizer
from speech.errors import CorpusError
from speech.mel_config import MelConfig

MIN_SECONDS = 1.0  # of a clip; short clips are kept, because there are few
ENOUGH_SECONDS = 30.0  # of speech in all; with less, the model overfits


def prepare_clips(clips: Path, store: Path, encoder: Path, mel: MelConfig) -> float:
    """Create or continue a feature store with the clips of a voice, split at pauses.

    Args:
        clips: a folder of recordings with their texts, in any corpus layout (a .txt beside each, or metadata.csv).
        encoder: speaker encoder model file.
        mel: settings of the model to adapt.

    Returns:
        Seconds of speech to train on.

    Raises:
        CorpusError: the folder has no clips with texts, or less than half a minute of them.
    """
    from corpora.store import FeatureStore

    if not clips.is_dir():
        raise CorpusError(f"There is no folder {clips}: give one with recordings of the voice and their texts.")
    run(
        Synthesizer(
            corpora=(clips,), out=store, encoder=encoder, mel=mel, split_at_silences=True, min_seconds=MIN_SECONDS
        )
    )
    filled = FeatureStore(store)
    seconds = sum(filled.meta(index)["seconds"] for index in filled.select(split="train"))
    if seconds < ENOUGH_SECONDS:
        raise CorpusError(
            f"{clips} has only {seconds:.0f} s of speech with a text: record at least {ENOUGH_SECONDS:.0f} s, "
            "or better some minutes."
        )
    return seconds
