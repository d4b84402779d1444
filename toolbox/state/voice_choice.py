"""The voice in use: a sample, a saved voice, one made of recordings, or a mix of several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PyQt5.QtCore import QObject, pyqtSignal

from cloning.models import ModelFiles
from cloning.voices import Voice
from modelfile.locations import SAMPLES
from speech.errors import AudioError, SpeechError, one_line
from toolbox import jobs
from toolbox.state.services import Services
from toolbox.state.worker import Job, JobContext
from toolbox.storage.voice_store import StoredVoice, VoiceStore

if TYPE_CHECKING:
    from speech.quality import Remark

FIRST_SAMPLE = "slt.flac"
SAMPLE_TITLES = {"slt": "woman, American", "rms": "man, American", "awb": "man, Scottish", "kal": "man, robot-like"}

Kind = Literal["sample", "saved", "clips", "mix"]


@dataclass(frozen=True, eq=False)
class ChosenVoice:
    """The voice in use.

    Attributes:
        key: for `VoiceChoice.choose`: the file name of a sample or the name of a saved voice; "" for others.
        wav: float32 [samples] at 16 kHz of its first clip; empty if no audio is stored.
        mel: float32 [n_mels, frames] of that.
        lines: description, a line each.
        clips: what it was made of, if that is not saved yet.
    """

    kind: Kind
    title: str
    voice: Voice
    key: str = ""
    wav: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    mel: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    lines: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    clips: tuple[jobs.AnalysedClip, ...] = ()


class VoiceChoice(QObject):
    """The voice in use, and the ways to choose another one. All calls return at once.

    Attributes:
        chosen: the voice, or None while there is none.
        wanted: last arguments of `choose`: kind and key.
        saved_names: of the voices in the library.

    Signals:
        changed: `chosen` has changed, or choosing a voice has failed.
        library_changed: the names of the saved voices.
        clip_analysed: a `jobs.AnalysedClip`, and its speaker.
    """

    changed = pyqtSignal()
    library_changed = pyqtSignal(list)
    clip_analysed = pyqtSignal(object, str)

    def __init__(self, services: Services, store: VoiceStore) -> None:
        super().__init__(services)
        self._services = services
        self.store = store
        self.chosen: ChosenVoice | None = None
        self.wanted: tuple[str, str] | None = None
        self.saved_names: list[str] = []
        self._samples: dict[Path, jobs.Enrolment] = {}
        self._choosing: Job | None = None
        self._mapped: set[str] = set()  # samples that were reported by `clip_analysed`

    def samples(self) -> list[Path]:
        """The recordings that come with the program, the default first."""
        found = sorted(SAMPLES.glob("*.flac"))
        return sorted(found, key=lambda path: path.name != FIRST_SAMPLE)

    def choose(self, kind: Literal["sample", "saved"], key: str, by_user: bool = True) -> Job | None:
        """Use a sample or a saved voice. A later choice cancels an earlier one that is not finished."""
        files = self._services.models_in_use()
        if files is None:
            return None
        self.wanted = kind, key
        path = next((path for path in self.samples() if path.name == key), None)
        if kind == "sample" and path is not None:
            return self._choose(f"Analysing {path.stem}", lambda context: self._sample(context, path, files), by_user)
        return self._choose(f"Opening {key}", lambda context: self._saved(key), by_user)

    def choose_first(self, kind: str, key: str) -> Job | None:
        """Use the voice of the last session. If it no longer exists, use a sample and say so."""
        files = self._services.models_in_use()
        if files is None:
            return None
        problems: list[str] = []

        def make(context: JobContext) -> ChosenVoice:
            if kind == "saved":
                try:
                    return self._saved(key)
                except SpeechError as error:
                    problems.append(one_line(error))
            samples = self.samples()
            path = next((path for path in samples if path.name == key), samples[0])
            return self._sample(context, path, files)

        def report(chosen: ChosenVoice) -> None:
            self.wanted = chosen.kind, chosen.key
            if problems:
                self._services.logged.emit(problems[0])
                self._services.notify(f"The voice {key} of the last session is not available: {chosen.title} is used.")

        self.wanted = kind, key
        job = self._choose("Opening the voice", make, False)
        job.done.connect(report)
        return job

    def use_clips(self, sources: Sequence[Any], title: str = "", speaker: str = "") -> Job | None:
        """Make a voice of clips, given as `jobs.Source`."""
        files = self._services.models_in_use()
        if files is None or not sources:
            return None
        models, listed = self._services.models, list(sources)

        def make(context: JobContext) -> ChosenVoice:
            made = jobs.enrol(context, models, files, listed)
            return _chosen("clips", title or _title(made), made)

        job = self._choose("Analysing the recording" + "s" * (len(listed) > 1), make, True)
        job.done.connect(lambda chosen: self._report_clips(chosen, speaker))
        return job

    def mix(self, weights: Mapping[tuple[str, str], float]) -> Job | None:
        """Use a mix of voices. Args: weights: by (kind, key) as `choose` takes them."""
        files = self._services.models_in_use()
        if files is None:
            return None

        def make(context: JobContext) -> ChosenVoice:
            parts = []
            for number, (kind, key) in enumerate(weights):
                context.progress("Mixing", number, len(weights))
                context.check()
                path = SAMPLES / key
                parts.append(self._sample(context, path, files) if kind == "sample" else self._saved(key))
            notes = "; ".join(dict.fromkeys(part.voice.consent for part in parts if part.voice.consent))
            voice = Voice.average([part.voice for part in parts], "", notes, list(weights.values()))
            total = sum(weights.values())
            named = [f"{weight / total:.0%} {part.title}" for part, weight in zip(parts, weights.values(), strict=True)]
            return ChosenVoice("mix", "Mix: " + ", ".join(named), voice, lines=("; ".join(named),))

        return self._choose("Mixing voices", make, True)

    def _choose(self, title: str, make: Callable[[JobContext], ChosenVoice], by_user: bool) -> Job:
        if self._choosing is not None:
            self._choosing.cancel()
        job = self._choosing = self._services.submit(title, make, self._set_chosen, by_user=by_user)
        job.ended.connect(lambda: self._choice_ended(job))
        return job

    def _choice_ended(self, job: Job) -> None:
        if self._choosing is job:
            self._choosing = None
            self.changed.emit()  # after a failure, the list shows the voice in use again

    @property
    def choosing(self) -> bool:
        """Whether a voice is being prepared."""
        return self._choosing is not None

    def _set_chosen(self, chosen: ChosenVoice) -> None:
        self.chosen = chosen
        if chosen.key:
            self._services.preferences.set("voice_kind", chosen.kind)
            self._services.preferences.set("voice_key", chosen.key)
        if chosen.kind == "sample" and chosen.key not in self._mapped:
            self._mapped.add(chosen.key)
            self._report_clips(chosen, chosen.voice.name)
        self.changed.emit()

    def use(self, chosen: ChosenVoice) -> None:
        """Use a voice that is already known."""
        if self._choosing is not None:
            self._choosing.cancel()
        self._set_chosen(chosen)

    def _report_clips(self, chosen: ChosenVoice, speaker: str) -> None:
        for clip in chosen.clips:
            if clip.embedding is not None:
                self.clip_analysed.emit(clip, speaker or chosen.title)

    def enrol_again(self) -> None:
        """Make the voice of the same clips again, after the encoder was changed."""
        self._samples.clear()
        chosen = self.chosen
        if chosen is None or chosen.kind in ("saved", "mix"):
            return
        if chosen.kind == "sample":
            self.choose("sample", chosen.key)
        elif chosen.clips:
            self.use_clips([(clip.source, clip.wav) for clip in chosen.clips], chosen.title)

    # --- on the models' worker

    def _sample(self, context: JobContext, path: Path, files: ModelFiles) -> ChosenVoice:
        if path not in self._samples:
            self._samples[path] = jobs.enrol(context, self._services.models, files, [path], path.stem)
        return _chosen("sample", sample_title(path), self._samples[path], path.name)

    def _saved(self, name: str) -> ChosenVoice:
        stored = self.store.load(name)
        wav, mel = _first_clip(self.store, stored)
        count = len(stored.references)
        lines = [f"{count} reference{'s' * (count > 1)}", *stored.lines()]
        if stored.consent:
            lines.append(f"Consent: {stored.consent}")
        voice = self.store.library.load(name)  # exactly what the command line uses
        return ChosenVoice("saved", name, voice, name, wav, mel, tuple(lines))

    # --- saved voices

    def refresh_library(self) -> None:
        self._services.submit(
            "Reading the voice library", lambda _context: self.store.names(), self._set_names, "files", False
        )

    def _set_names(self, names: list[str]) -> None:
        self.saved_names = names
        self.library_changed.emit(names)

    def change_library(self, title: str, change: Callable[[], Any], done: Callable[[Any], object] | None = None) -> Job:
        """Change the saved voices on the files' worker, then read the list again."""
        job = self._services.submit(title, lambda _context: change(), done, "files")
        job.ended.connect(self.refresh_library)
        return job

    def save_chosen(self, name: str, consent: str) -> Job | None:
        """Save the voice in use. If the name exists, its clips are added to that voice."""
        chosen, store = self.chosen, self.store
        if chosen is None:
            return None

        def save() -> str:
            for clip in chosen.clips:
                store.add_reference(name, clip.as_reference(), consent)
            if not chosen.clips:
                store.save_voice(replace(chosen.voice, name=name, consent=consent))
            return name

        def saved(name: str) -> None:
            self._services.notify(f"The voice was saved as {name}.")
            self.choose("saved", name)

        return self.change_library(f"Saving {name}", save, saved)


def sample_title(path: Path) -> str:
    about = SAMPLE_TITLES.get(path.stem)
    return f"Sample {path.stem} ({about})" if about else f"Sample {path.stem}"


def _title(made: jobs.Enrolment) -> str:
    first = made.clips[0].source if made.clips else ""
    return first if len(made.clips) < 2 else f"{first} and {len(made.clips) - 1} more"


def _chosen(kind: Kind, title: str, made: jobs.Enrolment, key: str = "") -> ChosenVoice:
    """Raises: AudioError with the problems of the clips, if no voice could be made of them."""
    if made.voice is None:
        problems = [
            f"{clip.source}: {remark.sentence}"
            for clip in made.clips
            for remark in clip.remarks
            if remark.severity == "error"
        ]
        raise AudioError(" ".join(problems) or "No speech was found in this recording: choose a different one.")
    first = made.clips[0]
    remarks = made.remarks + tuple(remark for clip in made.clips for remark in clip.remarks)
    lines = (f"{sum(clip.seconds for clip in made.clips):.1f} s of speech in {len(made.clips)} recording"
             f"{'s' * (len(made.clips) > 1)}",)  # fmt: skip
    return ChosenVoice(kind, title, made.voice, key, first.wav, first.mel, lines, remarks, made.clips)


def _first_clip(store: VoiceStore, stored: StoredVoice) -> tuple[np.ndarray, np.ndarray]:
    """float32 [samples] at 16 kHz and its mel; both empty if no audio is stored."""
    from speech.mel import synthesis_mel

    for reference in stored.references:
        if reference.has_audio:
            wav = store.audio(stored.name, reference.key)[0]
            return wav, synthesis_mel(wav)
    return np.zeros(0, np.float32), np.zeros((0, 0), np.float32)
