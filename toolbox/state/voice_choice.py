"""Which voice is spoken with: a sample, a saved one, one made of clips, or a mix of several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PyQt5.QtCore import QObject, pyqtSignal

from cloning import ModelFiles
from cloning.voices import Voice
from modelfile.locations import SAMPLES
from speech.errors import AudioError
from toolbox import jobs
from toolbox.state.worker import Job, JobContext
from toolbox.storage.voice_shelf import ShelvedVoice, VoiceShelf

if TYPE_CHECKING:
    from speech.quality import Remark
    from toolbox.state.session import Session

FIRST_SAMPLE = "slt.flac"
SAMPLE_TITLES = {"slt": "woman, American", "rms": "man, American", "awb": "man, Scottish", "kal": "man, robot-like"}

Kind = Literal["sample", "saved", "clips", "mix"]


@dataclass(frozen=True, eq=False)
class Chosen:
    """The voice that is spoken with.

    Attributes:
        key: what `VoiceChoice.choose` wants to have it again: a file name or a saved name; "" for others.
        wav: float32 [samples] at 16 kHz of (the first of) its clips; empty where no sound is kept.
        mel: float32 [n_mels, frames] of that.
        lines: what to say about it.
        clips: those that it was made of, where they may still be kept.
    """

    kind: Kind
    title: str
    voice: Voice
    key: str = ""
    wav: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    mel: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    lines: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    clips: tuple[jobs.Heard, ...] = ()


class VoiceChoice(QObject):
    """The voice that is chosen, and the ways to choose another one. All calls return at once.

    Attributes:
        chosen: the voice, or None as long as there is none.
        wanted: what `choose` was last asked for: kind and key.
        saved_names: of the voices in the library.

    Signals:
        changed: `chosen` is another one, or choosing one has failed.
        library_changed: the names of the saved voices.
        heard: a clip that was listened to (`jobs.Heard`), and who speaks in it.
    """

    changed = pyqtSignal()
    library_changed = pyqtSignal(list)
    heard = pyqtSignal(object, str)

    def __init__(self, session: Session, shelf: VoiceShelf) -> None:
        super().__init__(session)
        self._session = session
        self.shelf = shelf
        self.chosen: Chosen | None = None
        self.wanted: tuple[str, str] | None = None
        self.saved_names: list[str] = []
        self._samples: dict[Path, jobs.Enrolled] = {}
        self._choosing: Job | None = None
        self._mapped: set[str] = set()  # samples that were told of by `heard`

    def samples(self) -> list[Path]:
        """The recordings that come with the program, the first one first."""
        found = sorted(SAMPLES.glob("*.flac"))
        return sorted(found, key=lambda path: path.name != FIRST_SAMPLE)

    def choose(self, kind: Literal["sample", "saved"], key: str, asked_for: bool = True) -> Job | None:
        """Speak with a sample voice or a saved one. A choice that is overtaken by another is given up."""
        files = self._session.chain()
        if files is None:
            return None
        self.wanted = kind, key
        path = next((path for path in self.samples() if path.name == key), None)
        if kind == "sample" and path is not None:
            return self._choose(
                f"Listening to {path.stem}", lambda context: self._sample(context, path, files), asked_for
            )
        return self._choose(f"Opening {key}", lambda context: self._saved(key), asked_for)

    def use_clips(self, sources: Sequence[Any], title: str = "", speaker: str = "") -> Job | None:
        """Make a voice of clips: files, (name, float32 [samples] at 16 kHz), or utterances of a dataset."""
        files = self._session.chain()
        if files is None or not sources:
            return None
        models, listed = self._session.models, list(sources)

        def make(context: JobContext) -> Chosen:
            made = jobs.enrol(context, models, files, listed)
            return _chosen("clips", title or _title(made), made)

        job = self._choose("Listening to the recording" + "s" * (len(listed) > 1), make, True)
        job.done.connect(lambda chosen: self._tell_heard(chosen, speaker))
        return job

    def mix(self, shares: Mapping[tuple[str, str], float]) -> Job | None:
        """Speak with a voice between voices. Args: shares: by (kind, key) as `choose` takes them."""
        files = self._session.chain()
        if files is None:
            return None

        def make(context: JobContext) -> Chosen:
            parts = []
            for number, (kind, key) in enumerate(shares):
                context.progress("Mixing", number, len(shares))
                context.check()
                path = SAMPLES / key
                parts.append(self._sample(context, path, files) if kind == "sample" else self._saved(key))
            weights = list(shares.values())
            notes = "; ".join(dict.fromkeys(part.voice.consent for part in parts if part.voice.consent))
            voice = Voice.average([part.voice for part in parts], "", notes, weights)
            told = [f"{share / sum(weights):.0%} {part.title}" for part, share in zip(parts, weights, strict=True)]
            return Chosen("mix", "Mix: " + ", ".join(told), voice, lines=("; ".join(told),))

        return self._choose("Mixing voices", make, True)

    def _choose(self, title: str, make: Callable[[JobContext], Chosen], asked_for: bool) -> Job:
        if self._choosing is not None:
            self._choosing.cancel()
        job = self._choosing = self._session.submit(title, make, self._set_chosen, asked_for=asked_for)
        job.ended.connect(lambda: self._choice_ended(job))
        return job

    def _choice_ended(self, job: Job) -> None:
        if self._choosing is job:
            self._choosing = None
            self.changed.emit()  # after a failure, the list shows again what is in use

    @property
    def choosing(self) -> bool:
        """Whether a voice is on its way."""
        return self._choosing is not None

    def _set_chosen(self, chosen: Chosen) -> None:
        self.chosen = chosen
        if chosen.key:
            self._session.preferences.set("voice_kind", chosen.kind)
            self._session.preferences.set("voice_key", chosen.key)
        if chosen.kind == "sample" and chosen.key not in self._mapped:
            self._mapped.add(chosen.key)
            self._tell_heard(chosen, chosen.voice.name)
        self.changed.emit()

    def take(self, chosen: Chosen) -> None:
        """Speak with a voice that is known already."""
        if self._choosing is not None:
            self._choosing.cancel()
        self._set_chosen(chosen)

    def _tell_heard(self, chosen: Chosen, speaker: str) -> None:
        for clip in chosen.clips:
            if clip.embedding is not None:
                self.heard.emit(clip, speaker or chosen.title)

    def hear_again(self) -> None:
        """Another encoder hears the same clips in its own way."""
        self._samples.clear()
        chosen = self.chosen
        if chosen is None or chosen.kind in ("saved", "mix"):
            return
        if chosen.kind == "sample":
            self.choose("sample", chosen.key)
        elif chosen.clips:
            self.use_clips([(clip.source, clip.wav) for clip in chosen.clips], chosen.title)

    # --- on the models' thread

    def _sample(self, context: JobContext, path: Path, files: ModelFiles) -> Chosen:
        if path not in self._samples:
            self._samples[path] = jobs.enrol(context, self._session.models, files, [path], path.stem)
        return _chosen("sample", sample_title(path), self._samples[path], path.name)

    def _saved(self, name: str) -> Chosen:
        shelved = self.shelf.load(name)
        wav, mel = _first_sound(self.shelf, shelved)
        count = len(shelved.references)
        lines = [f"{count} reference{'s' * (count > 1)}", *shelved.lines()]
        if shelved.consent:
            lines.append(f"Consent: {shelved.consent}")
        return Chosen("saved", name, shelved.voice, name, wav, mel, tuple(lines))

    # --- saved voices

    def refresh_library(self) -> None:
        self._session.submit(
            "Reading the voice library", lambda _context: self.shelf.names(), self._names, "files", False
        )

    def _names(self, names: list[str]) -> None:
        self.saved_names = names
        self.library_changed.emit(names)

    def change_library(self, title: str, change: Callable[[], Any], done: Callable[[Any], object] | None = None) -> Job:
        """Do something to the saved voices on the files' thread; then the list is read again."""
        job = self._session.submit(title, lambda _context: change(), done, "files")
        job.ended.connect(self.refresh_library)
        return job

    def keep_chosen(self, name: str, consent: str) -> Job | None:
        """Keep the voice that is in use; its clips join those of a voice that has this name already."""
        chosen, shelf = self.chosen, self.shelf
        if chosen is None:
            return None

        def keep() -> str:
            for clip in chosen.clips:
                assert clip.embedding is not None
                shelf.add_reference(
                    name, clip.embedding, clip.embedding_space, clip.source, clip.seconds, clip.wav, consent
                )
            if not chosen.clips:
                shelf.save_voice(replace(chosen.voice, name=name, consent=consent))
            return name

        def kept(saved: str) -> None:
            self._session.tell(f"The voice is kept as {saved}.")
            self.choose("saved", saved)

        return self.change_library(f"Keeping {name}", keep, kept)


def sample_title(path: Path) -> str:
    about = SAMPLE_TITLES.get(path.stem)
    return f"Sample {path.stem} ({about})" if about else f"Sample {path.stem}"


def _title(made: jobs.Enrolled) -> str:
    first = made.clips[0].source if made.clips else ""
    return first if len(made.clips) < 2 else f"{first} and {len(made.clips) - 1} more"


def _chosen(kind: Kind, title: str, made: jobs.Enrolled, key: str = "") -> Chosen:
    """Raises: AudioError that says what is wrong with the clips, if no voice could be made of them."""
    if made.voice is None:
        said = [
            f"{clip.source}: {remark.sentence}"
            for clip in made.clips
            for remark in clip.remarks
            if remark.severity == "error"
        ]
        raise AudioError(" ".join(said) or "No voice is heard in this recording: choose another one.")
    first = made.clips[0]
    remarks = tuple(remark for clip in made.clips for remark in clip.remarks) + made.remarks
    lines = (f"{sum(clip.seconds for clip in made.clips):.1f} s of speech in {len(made.clips)} recording"
             f"{'s' * (len(made.clips) > 1)}",)  # fmt: skip
    return Chosen(kind, title, made.voice, key, first.wav, first.mel, lines, remarks, made.clips)


def _first_sound(shelf: VoiceShelf, shelved: ShelvedVoice) -> tuple[np.ndarray, np.ndarray]:
    """float32 [samples] at 16 kHz and its mel; both empty where no sound is kept."""
    from speech.mel import synthesis_mel

    for reference in shelved.references:
        if reference.has_sound:
            wav = shelf.sound(shelved.name, reference.key)[0]
            return wav, synthesis_mel(wav)
    return np.zeros(0, np.float32), np.zeros((0, 0), np.float32)
