"""Whether a clip has one of the voices of a library: the cosine of its embedding with each voice, and a threshold."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from encoder.base import SpeakerEncoder
from encoder.clips import Clip, ClipReport, embed_clips
from modelfile.voice_files import VOICE_SUFFIX, damaged_voice, read_voice_file
from speech.errors import AudioError, ConfigError, CorpusError, ModelFileError
from speech.files import readable, refuse_special

# By embedding space: the threshold at equal error rate of whole utterances of held-out speakers, measured with
# `python -m encoder.verification`; docs/responsible-use.md has the error rates.
THRESHOLDS: Mapping[str, float] = {"ge2e-public-256": 0.75}


def identify(clip: Path, library: Path, encoder: SpeakerEncoder, threshold: float | None = None) -> tuple[bool, str]:
    """Compare a clip with all voices of a library.

    Args:
        library: folder of voice files. Those of other embedding spaces are left out with a line on stderr.
        threshold: a cosine of at least this is the same speaker; by default that of `THRESHOLDS`.

    Returns:
        Whether a voice reaches the threshold, and a sentence that says so.

    Raises:
        AudioError: there is no such clip. CorpusError: it has too little speech, or the library has no such voices.
        ConfigError: no threshold is known for the encoder, or it is not a cosine.
    """
    limit = THRESHOLDS.get(encoder.embedding_space) if threshold is None else threshold
    if limit is None:
        raise ConfigError(
            "No threshold is known for this encoder: measure one with `python -m encoder.verification FOLDER`, "
            "and give it with --threshold."
        )
    if not -1 < limit < 1:
        raise ConfigError(f"--threshold must lie between -1 and 1, not {limit:g}.")
    voices = read_embeddings(library, encoder.embedding_space)
    embedding = _embedding(clip, encoder)
    cosines = {name: float(np.dot(embedding, voice)) for name, voice in voices.items()}
    nearest = max(cosines, key=lambda name: cosines[name])
    figures = f"cosine {cosines[nearest]:.3f}, threshold {limit:.3f}"
    name = readable(str(clip))
    if cosines[nearest] >= limit:
        return True, f"{name} has the voice {nearest!r} ({figures})."
    count = f"none of the {len(cosines)} voices" if len(cosines) > 1 else "not the only voice"
    return False, f"{name} has {count} in {library}; the nearest is {nearest!r} ({figures})."


def read_embeddings(library: Path, embedding_space: str) -> dict[str, np.ndarray]:
    """Normalised embeddings of a folder's voices by file name. Damaged files are left out with a line on stderr.

    Raises:
        CorpusError: there is no voice of the embedding space.
    """
    voices: dict[str, np.ndarray] = {}
    for path in sorted(library.glob(f"*{VOICE_SUFFIX}")):
        try:
            refuse_special(path)
            metadata, tensors = read_voice_file(path)
            embedding = np.asarray(tensors["embedding"], dtype=np.float64)
            norm = float(np.linalg.norm(embedding))
            if not 1e-6 < norm < np.inf:
                raise damaged_voice(path)
        except (ModelFileError, OSError) as error:
            print(f"left out: {readable(path.name)}: {error}", file=sys.stderr)
            continue
        if metadata.get("embedding_space") != embedding_space:
            print(f"left out: {readable(path.name)}: it was made with another encoder", file=sys.stderr)
            continue
        voices[readable(path.stem)] = embedding / norm
    if not voices:
        raise CorpusError(f"There is no voice of this encoder in {library}: save one first, or choose another folder.")
    return voices


def _embedding(clip: Path, encoder: SpeakerEncoder) -> np.ndarray:
    """float32 [embedding_size]. Raises: AudioError, CorpusError."""
    from speech.audio import read_audio

    if not clip.is_file():
        raise AudioError(f"There is no file {clip}: check the path of the clip.")
    name = readable(str(clip))
    return embed_clips(encoder, [Clip(name, "", lambda: read_audio(clip))], ClipReport(strict=True))[name]
