"""The voice library of the toolbox: several references for each voice, kept between starts.

A voice is one file of `voices.VoiceLibrary`, which `demo_cli.py --voice NAME` reads: its embedding is the mean of the
references, and these lie in the same file (`shelf_files`). So a voice is changed whole or not at all, whatever
happens meanwhile.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import itertools
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from cloning.voices import VOICE_SUFFIX, Voice, VoiceLibrary, check_voice_name
from speech.errors import ConfigError, ModelFileError, StorageError
from speech.mel_f0 import median_f0
from toolbox.storage.files import remove_leftovers, storage_error, write_bytes
from toolbox.storage.references import Reference, ShelvedVoice
from toolbox.storage.shelf_files import as_flac, read_references, read_sounds, write_shelved

__all__ = ["Reference", "ShelvedVoice", "VoiceShelf"]

TRASH = ".trash"
TRASH_DAYS = 30.0
MAX_REFERENCES = 1000
MAX_SOURCE = 200  # characters


class VoiceShelf:
    """The voices in a folder.

    Args:
        directory: made when the first voice is put into it; by default this user's voice library.
    """

    def __init__(self, directory: str | Path | None = None) -> None:
        self.library = VoiceLibrary(directory)
        self.directory = self.library.directory
        self._lock = threading.RLock()  # several workers may change a voice

    def names(self) -> list[str]:
        """The voices, sorted; what a killed program left behind, and month-old trash, is removed on the way."""
        remove_leftovers(self.directory)
        self.empty_trash(TRASH_DAYS)
        return self.library.names()

    def __contains__(self, name: str) -> bool:
        return name in self.library

    def load(self, name: str) -> ShelvedVoice:
        """A voice with its references, their sounds left on the disk. A voice of the command line has one reference.

        Raises:
            ModelFileError: no voice has that name, or its file is damaged.
        """
        voice = self.library.load(name)
        references = read_references(self.library.path(name))
        if not references:
            source = ", ".join(voice.sources) or "the voice as it was saved"
            references = (Reference(np.array(voice.embedding), source, voice.created, key="first", pitch=voice.pitch),)
        return ShelvedVoice(check_voice_name(name), voice.embedding_space, references, voice.consent, voice.created)

    def sound(self, name: str, key: str) -> tuple[np.ndarray, int]:
        """The kept copy of a reference's sound: float32 [samples], rate. Raises: ModelFileError if there is none."""
        import soundfile

        data = read_sounds(self.library.path(name)).get(key)
        if data is None:
            raise ModelFileError("No copy of this reference's sound was kept: add the reference again to hear it.")
        return soundfile.read(io.BytesIO(data), dtype="float32")

    def add_reference(
        self,
        name: str,
        embedding: np.ndarray,
        embedding_space: str,
        source: str,
        seconds: float = 0.0,
        wav: np.ndarray | None = None,
        consent: str | None = None,
    ) -> ShelvedVoice:
        """Put a clip on the shelf, under a name that is there or a new one.

        Args:
            embedding: [embedding_size].
            seconds: of speech in it.
            wav: float32 [samples] at 16 kHz; its first half minute is kept to be heard.
            consent: whose voice it is and who allowed its use; None leaves the note as it is.
        Raises:
            ConfigError: the name is none, or the voice is of another embedding space.
            StorageError: the disk is full or the folder cannot be written.
        """
        name = check_voice_name(name)
        checked = np.array(Voice(embedding, embedding_space).embedding)  # finite, of norm 1
        reference = Reference(
            checked, source, _today(), max(0.0, float(seconds)),
            has_sound=wav is not None, pitch=None if wav is None else median_f0(wav),
        )  # fmt: skip
        added = {} if wav is None else {reference.key: as_flac(wav)}
        with self._lock:
            if name not in self:
                return self._write(ShelvedVoice(name, embedding_space, (reference,), consent or "", _today()), added)
            old = self.load(name)
            if old.embedding_space != embedding_space or old.references[0].embedding.shape != checked.shape:
                raise ConfigError(
                    f"The voice {name!r} was made with another encoder ('{old.embedding_space}', not "
                    f"'{embedding_space}'): begin a new voice, or choose that encoder."
                )
            if len(old.references) >= MAX_REFERENCES:
                raise ConfigError(f"The voice {name!r} has {MAX_REFERENCES} references, which is more than enough.")
            note = old.consent if consent is None else consent
            voice = replace(old, references=(*old.references, reference), consent=note)
            return self._write(voice, read_sounds(self.library.path(name)) | added)

    def remove_reference(self, name: str, key: str) -> ShelvedVoice:
        """Take a clip from a voice; the voice as it was goes to the trash, for `restore_over` to undo it.

        Raises:
            ConfigError: it is the only one (delete the voice instead), or there is none of that key.
        """
        with self._lock:
            old = self.load(name)
            left = tuple(reference for reference in old.references if reference.key != key)
            if len(left) == len(old.references):
                raise ConfigError(f"The voice {name!r} has no such reference any more.")
            if not left:
                raise ConfigError(f"This is the only reference of {name!r}: delete the voice instead.")
            sounds = read_sounds(self.library.path(name))
            self._copy_to_trash(self.library.path(name))
            return self._write(replace(old, references=left), sounds)

    def set_consent(self, name: str, consent: str) -> ShelvedVoice:
        """Note whose voice it is and who allowed its use."""
        with self._lock:
            return self._write(replace(self.load(name), consent=consent.strip()), read_sounds(self.library.path(name)))

    def rename(self, name: str, new_name: str) -> ShelvedVoice:
        """Raises: ConfigError for a name that is none, StorageError if there is a voice of that name."""
        new_name = check_voice_name(new_name)
        old, new = self.library.path(name), self.library.path(new_name)
        with self._lock:
            voice = self.load(name)
            if new == old:
                return voice
            if new.exists() and not new.samefile(old):  # the same file where capitals do not count
                raise StorageError(f"There is a voice {new_name!r} already: choose another name.")
            _move(old, new)
            # The file's own name is what counts; the one inside follows.
            return self._write(replace(voice, name=new_name), read_sounds(new))

    def save_voice(self, voice: Voice, overwrite: bool = False) -> ShelvedVoice:
        """Put a finished voice on the shelf, for instance a mix; it has one reference, itself.

        Raises:
            StorageError: there is one of its name, unless `overwrite`; that one then goes to the trash.
        """
        name = check_voice_name(voice.name)
        source = ", ".join(dict.fromkeys(voice.sources)) or name
        reference = Reference(np.array(voice.embedding), source[:MAX_SOURCE], _today(), pitch=voice.pitch)
        shelved = ShelvedVoice(name, voice.embedding_space, (reference,), voice.consent, voice.created or _today())
        with self._lock:
            if name in self and not overwrite:
                raise StorageError(f"There is a voice {name!r} already: choose another name.")
            if name in self:
                self._copy_to_trash(self.library.path(name))
            return self._write(shelved, {})

    def mix(self, shares: Mapping[str, float], name: str = "") -> Voice:
        """A voice between voices, by their shares (at least 0, not all 0); its consent note joins theirs.

        Raises:
            ConfigError: the shares do not do, or the voices are of different embedding spaces.
        """
        parts = [self.load(one).voice for one in shares]
        if not parts:
            raise ConfigError("A mix needs at least one voice: choose some.")
        notes = dict.fromkeys(f"{part.name}: {part.consent}" for part in parts if part.consent and shares[part.name])
        return Voice.average(parts, name, "; ".join(notes), list(shares.values()))

    # --- delete and undo

    def delete(self, name: str) -> str:
        """Put a voice into the trash; returns what `restore` wants. Raises: StorageError if it cannot be moved."""
        with self._lock:
            kept = self._trash_path(name)
            _move(self.library.path(name), kept)
            return kept.name

    def restore(self, token: str) -> str:
        """Take a voice out of the trash; returns its name, which has a number if the old one is taken meanwhile.

        Raises:
            StorageError: it is not there any more, or cannot be moved.
        """
        source, name = self._in_trash(token)
        with self._lock:
            free = next(one for one in _variants(name) if not self.library.path(one).exists())
            _move(source, self.library.path(free))
            if free != name:
                self._write(self.load(free), read_sounds(self.library.path(free)))
            return free

    def restore_over(self, token: str) -> str:
        """Undo a change: the voice in the trash takes the place of the one of its name, which it returns.

        Raises:
            StorageError: as `restore`.
        """
        source, name = self._in_trash(token)
        with self._lock:
            _move(source, self.library.path(name))
        return name

    def trash(self) -> list[tuple[str, str]]:
        """What lies there: (what `restore` wants, name), the newest first."""
        files = sorted((self.directory / TRASH).glob(f"*{VOICE_SUFFIX}"), reverse=True)
        return [(path.name, _without_time(path)) for path in files]

    def empty_trash(self, older_than_days: float = 0.0) -> None:
        """Delete for good what was put into the trash so many days ago."""
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

    def _write(self, voice: ShelvedVoice, sounds: Mapping[str, bytes]) -> ShelvedVoice:
        write_shelved(self.library.path(voice.name), voice, sounds)
        return voice


def _move(source: Path, target: Path) -> None:
    try:
        source.replace(target)
    except FileNotFoundError as error:
        raise StorageError(f"The voice {_without_time(source)!r} is not there any more.") from error
    except OSError as error:
        raise storage_error(target, error) from error


def _without_time(path: Path) -> str:
    """The name of a voice in the trash: 1763731200000000000-ann.safetensors."""
    return re.sub(r"^\d{16,}-", "", path.stem)


def _variants(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name[:58].rstrip(' .-')} {number}" for number in itertools.count(2))


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
