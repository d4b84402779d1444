"""The voice library of the toolbox: several references per voice.

Each voice is one file of `cloning.voices.VoiceLibrary`, which `demo_cli.py --voice NAME` reads too. Its embedding is
the mean of the references, and these are stored in the same file (`voice_store_files`). Every change is atomic.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cloning.voices import VOICE_SUFFIX, Voice, VoiceLibrary, check_voice_name
from speech.errors import ConfigError, ModelFileError, StorageError
from speech.files import storage_error, write_bytes
from synthesizer.adapter import VoiceAdapter
from toolbox.storage.files import remove_leftovers
from toolbox.storage.references import Reference, StoredVoice
from toolbox.storage.voice_store_files import (
    SAMPLE_RATE,
    as_flac,
    from_flac,
    read_audio_copies,
    read_references,
    write_voice_file,
)

__all__ = ["NewReference", "Reference", "StoredVoice", "VoiceStore"]

TRASH = ".trash"
TRASH_DAYS = 30.0
MAX_REFERENCES = 1000
MAX_RECORDED = 600 * SAMPLE_RATE  # samples that are read to be shown
MAX_SOURCE = 200  # characters


@dataclass(frozen=True, eq=False)
class NewReference:
    """A clip to be added to a voice.

    Attributes:
        embedding: [embedding_size].
        seconds: of speech in it; 0 if unknown.
        wav: float32 [samples] at 16 kHz, of which the first 30 seconds are stored; None stores no audio.
    """

    embedding: np.ndarray
    embedding_space: str
    source: str
    seconds: float = 0.0
    wav: np.ndarray | None = None


class VoiceStore:
    """The voices in a folder.

    Args:
        directory: created with the first voice; by default this user's voice library.
    """

    def __init__(self, directory: str | Path | None = None) -> None:
        self.library = VoiceLibrary(directory)
        self.directory = self.library.directory
        self._lock = threading.RLock()  # several workers may change a voice

    def names(self) -> list[str]:
        """The voices, sorted. Also removes incomplete files of killed programs and trash older than 30 days."""
        remove_leftovers(self.directory)
        self.empty_trash(TRASH_DAYS)
        return self.library.names()

    def __contains__(self, name: str) -> bool:
        return name in self.library

    def load(self, name: str) -> StoredVoice:
        """A voice with its references; their audio stays on disk. A voice saved by the CLI has one reference.

        Raises:
            ModelFileError: there is no voice of that name, or its file is damaged.
        """
        voice = self.library.load(name)
        references, reference_of = read_references(self.library.path(name))
        if not references:
            source = ", ".join(voice.sources) or "saved voice"
            references = (Reference(np.array(voice.embedding), source, voice.created, key="first", pitch=voice.pitch),)
            reference_of = "first"
        return StoredVoice(
            check_voice_name(name), voice.embedding_space, references, voice.consent, voice.created,
            voice.reference, reference_of, voice.adapter,
        )  # fmt: skip

    def audio(self, name: str, key: str) -> tuple[np.ndarray, int]:
        """The stored copy of a reference: float32 [samples], rate. Raises: ModelFileError if there is none."""
        data = read_audio_copies(self.library.path(name)).get(key)
        if data is None:
            raise ModelFileError("No audio was stored with this reference: add the recording again.")
        return from_flac(data), SAMPLE_RATE

    def recordings(self, name: str) -> list[tuple[Reference, np.ndarray]]:
        """The references with stored audio, float32 [samples] at 16 kHz, ten minutes in all at most."""
        copies, found, samples = read_audio_copies(self.library.path(name)), [], 0
        for reference in self.load(name).references:
            if reference.key in copies and samples < MAX_RECORDED:
                wav = from_flac(copies[reference.key])
                found.append((reference, wav))
                samples += len(wav)
        return found

    def add_reference(self, name: str, clip: NewReference, consent: str | None = None) -> StoredVoice:
        """Add a clip to a new or existing voice. An adapter is dropped: it belongs to the references.

        Args:
            consent: whose voice it is and who permitted its use; None keeps the existing note.
        Raises:
            ConfigError: the name is invalid, or the voice is in a different embedding space.
            StorageError: the disk is full or the folder is not writable.
        """
        from speech.mel_f0 import median_f0

        name = check_voice_name(name)
        wav, space = clip.wav, clip.embedding_space
        embedding = np.array(Voice(clip.embedding, space).embedding)  # checked: finite, of norm 1
        reference = Reference(
            embedding, clip.source, _today(), max(0.0, float(clip.seconds)),
            has_audio=wav is not None, pitch=None if wav is None else median_f0(wav),
        )  # fmt: skip
        added = {} if wav is None else {reference.key: as_flac(wav)}
        samples = {} if wav is None else {reference.key: wav}
        with self._lock:
            if name not in self:
                return self._write(StoredVoice(name, space, (reference,), consent or "", _today()), added, samples)
            old = self.load(name)
            if old.embedding_space != space or old.references[0].embedding.shape != embedding.shape:
                raise ConfigError(
                    f"The voice {name!r} was made with a different encoder ('{old.embedding_space}', not '{space}'): "
                    "choose another name, or load that encoder."
                )
            if len(old.references) >= MAX_REFERENCES:
                raise ConfigError(f"The voice {name!r} already has {MAX_REFERENCES} references, the maximum.")
            note = old.consent if consent is None else consent
            voice = replace(old, references=(*old.references, reference), consent=note, adapter=None)
            return self._write(voice, read_audio_copies(self.library.path(name)) | added, samples)

    def remove_reference(self, name: str, key: str) -> StoredVoice:
        """Remove a clip from a voice. The old version goes to the trash, where `restore_over` finds it.

        An adapter is dropped: it belongs to the references.

        Raises:
            ConfigError: it is the only reference, or there is none with that key.
        """
        with self._lock:
            old = self.load(name)
            left = tuple(reference for reference in old.references if reference.key != key)
            if len(left) == len(old.references):
                raise ConfigError(f"The voice {name!r} no longer has this reference.")
            if not left:
                raise ConfigError(f"This is the only reference of {name!r}: delete the whole voice instead.")
            audio = read_audio_copies(self.library.path(name))
            self._copy_to_trash(self.library.path(name))
            return self._write(replace(old, references=left, adapter=None), audio)

    def set_consent(self, name: str, consent: str) -> StoredVoice:
        """Record whose voice it is and who permitted its use."""
        with self._lock:
            voice = replace(self.load(name), consent=consent.strip())
            return self._write(voice, read_audio_copies(self.library.path(name)))

    def is_adapted(self, name: str) -> bool:
        """Whether there is a voice of that name with an adapter."""
        return name in self and self.load(name).adapter is not None

    def set_adapter(self, name: str, adapter: VoiceAdapter | None) -> StoredVoice:
        """Keep what a synthesizer was adapted to the voice with; None removes it."""
        with self._lock:
            voice = replace(self.load(name), adapter=adapter)
            return self._write(voice, read_audio_copies(self.library.path(name)))

    def rename(self, name: str, new_name: str) -> StoredVoice:
        """Raises: ConfigError for an invalid name, StorageError if the name is taken."""
        new_name = check_voice_name(new_name)
        old, new = self.library.path(name), self.library.path(new_name)
        with self._lock:
            voice = self.load(name)
            if new == old:
                return voice
            if new.exists() and not new.samefile(old):  # the same file on a case-insensitive file system
                raise StorageError(f"There is already a voice {new_name!r}: choose another name.")
            _move(old, new)
            # The file name is what counts; the name inside is updated to match.
            return self._write(replace(voice, name=new_name), read_audio_copies(new))

    def save_voice(self, voice: Voice) -> StoredVoice:
        """Save a finished voice, such as a mix, as a voice with one reference.

        Raises:
            StorageError: the name is taken.
        """
        name = check_voice_name(voice.name)
        source = ", ".join(dict.fromkeys(voice.sources)) or name
        reference = Reference(np.array(voice.embedding), source[:MAX_SOURCE], _today(), pitch=voice.pitch)
        stored = StoredVoice(
            name, voice.embedding_space, (reference,), voice.consent, voice.created or _today(),
            voice.reference, reference.key, voice.adapter,
        )  # fmt: skip
        with self._lock:
            if name in self:
                raise StorageError(f"There is already a voice {name!r}: choose another name.")
            return self._write(stored, {})

    # --- delete and undo

    def delete(self, name: str) -> str:
        """Move a voice to the trash; returns the token for `restore`. Raises: StorageError."""
        with self._lock:
            kept = self._trash_path(name)
            _move(self.library.path(name), kept)
            return kept.name

    def restore(self, token: str) -> str:
        """Restore a voice from the trash; returns its name, with a number if the old name is taken now.

        Raises:
            StorageError: it is no longer in the trash, or cannot be moved.
        """
        source, name = self._in_trash(token)
        with self._lock:
            free = next(one for one in _variants(name) if not self.library.path(one).exists())
            _move(source, self.library.path(free))
            if free != name:
                self._write(self.load(free), read_audio_copies(self.library.path(free)))
            return free

    def restore_over(self, token: str) -> str:
        """Undo a change: the voice from the trash replaces the one of the same name. Returns the name.

        Raises:
            StorageError: as `restore`.
        """
        source, name = self._in_trash(token)
        with self._lock:
            _move(source, self.library.path(name))
        return name

    def trash(self) -> list[tuple[str, str]]:
        """Contents of the trash: (token for `restore`, name), newest first."""
        files = sorted((self.directory / TRASH).glob(f"*{VOICE_SUFFIX}"), reverse=True)
        return [(path.name, _without_time(path)) for path in files]

    def empty_trash(self, older_than_days: float = 0.0) -> None:
        """Delete permanently what has been in the trash for at least that many days."""
        for token, _ in self.trash():
            with contextlib.suppress(OSError, ValueError):
                if time.time_ns() - int(token.split("-")[0]) >= older_than_days * 86_400e9:
                    (self.directory / TRASH / token).unlink()

    def _trash_path(self, name: str) -> Path:
        path = self.library.path(name)
        try:
            (self.directory / TRASH).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(path, error) from error
        return self.directory / TRASH / f"{time.time_ns()}-{path.name}"

    def _in_trash(self, token: str) -> tuple[Path, str]:
        path = self.directory / TRASH / Path(token).name
        return path, _without_time(path)

    def _copy_to_trash(self, path: Path) -> None:
        try:
            write_bytes(self._trash_path(path.stem), path.read_bytes())
        except OSError as error:
            raise storage_error(path, error) from error

    def _write(
        self, voice: StoredVoice, audio: Mapping[str, bytes], samples: Mapping[str, np.ndarray] | None = None
    ) -> StoredVoice:
        """Write a voice. Args: audio: flac by key; samples: whole recordings that are known, by key."""

        def audio_of(key: str) -> np.ndarray | None:
            if samples and key in samples:
                return samples[key]
            return from_flac(audio[key]) if key in audio else None

        voice = voice.with_reference_mel(audio_of)
        write_voice_file(self.library.path(voice.name), voice, audio)
        return voice


def _move(source: Path, target: Path) -> None:
    try:
        source.replace(target)
    except FileNotFoundError as error:
        raise StorageError(f"The voice {_without_time(source)!r} no longer exists.") from error
    except OSError as error:
        raise storage_error(target, error) from error


def _without_time(path: Path) -> str:
    """The name of a voice in the trash, which is stored as 1763731200000000000-ann.safetensors."""
    return re.sub(r"^\d{16,}-", "", path.stem)


def _variants(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name[:58].rstrip(' .-')} {number}" for number in itertools.count(2))


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
