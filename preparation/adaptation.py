"""A few minutes of one voice made ready for `train_synth.py --adapt`."""

from __future__ import annotations

from pathlib import Path

from preparation.run import run
from preparation.synthesizer import Synthesizer
from speech.errors import CorpusError

MIN_SECONDS = 1.0  # of a clip; every little counts here
ENOUGH_SECONDS = 30.0  # of speech in all; with less, what is learnt is the clips and not the voice


def prepare_clips(clips: Path, store: Path, encoder: Path) -> float:
    """Fill a feature store with the clips of a voice, cut at its pauses; go on with one that was begun.

    Args:
        clips: a folder of recordings with their texts, as any corpus (a .txt beside each, or metadata.csv).
        store: where the store is made.
        encoder: the speaker encoder's model file.

    Returns:
        Seconds of speech to train on.

    Raises:
        CorpusError: the folder holds no clips with texts, or less than half a minute of them.
    """
    from corpora.store import FeatureStore

    if not clips.is_dir():
        raise CorpusError(f"There is no folder {clips}: give one with recordings of the voice and their texts.")
    run(Synthesizer(corpora=(clips,), out=store, encoder=encoder, split_at_silences=True, min_seconds=MIN_SECONDS))
    filled = FeatureStore(store)
    seconds = sum(filled.meta(place)["seconds"] for place in filled.select(split="train"))
    if seconds < ENOUGH_SECONDS:
        raise CorpusError(
            f"{clips} has {seconds:.0f} s of speech with its text to learn from: a voice needs {ENOUGH_SECONDS:.0f} s "
            "at least, and some minutes to be learnt well."
        )
    return seconds
