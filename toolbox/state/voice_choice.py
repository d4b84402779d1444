"""The voice in use: a sample, a saved voice, one made of recordings, or a mix of several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from PyQt5.QtCore import QObject, pyqtSignal

from cloning.models import ModelFiles
from cloning.voices import Voice
from modelfile.locations import SAMPLES
from speech.errors import SpeechError, one_line
from toolbox import jobs
from toolbox.state.chosen_voice import ChosenVoice, first_mel, sample_title, title_of, voice_of
from toolbox.state.services import Services
from toolbox.state.worker import Job, JobContext
from toolbox.storage.voice_store import VoiceStore

PART = "Part of "  # begins the title of a voice that was trimmed
FIRST_SAMPLE = "slt.flac"
ADAPTER_DROPPED = "Its adaptation was removed, because its recordings changed: adapt the voice again."


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
        person_renamed: the old and the new name of a speaker.
    """

    changed = pyqtSignal()
    library_changed = pyqtSignal(list)
    clip_analysed = pyqtSignal(object, str)
    person_renamed = pyqtSignal(str, str)

    def __init__(self, services: Services, store: VoiceStore) -> None:
        super().__init__(services)
        self._services = services
        self.store = store
        self.chosen: ChosenVoice | None = None
        self.wanted: tuple[str, str] | None = None
        self.saved_names: list[str] = []
        self._seen: set[str] = set()  # names that were in the library at some time
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
        job = self._choose(f"Opening {key}", lambda context: self._saved(key), by_user)
        job.failed.connect(lambda *_: self.refresh_library())  # it may have been deleted elsewhere
        return job

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
            return replace(voice_of("clips", title or title_of(made), made), speaker=speaker)

        job = self._choose("Analysing the recording" + "s" * (len(listed) > 1), make, True)
        job.done.connect(self._report_clips)
        return job

    def trim(self, start: float, end: float) -> Job | None:
        """Make the voice of a part of its recordings only, which can be undone. Saved audio stays as it is.

        Args:
            start, end: positions in `ChosenVoice.wav` in seconds.
        """
        files, before = self._services.models_in_use(), self.chosen
        if files is None or before is None:
            return None
        models, parts = self._services.models, before.part(start, end)
        title = PART + before.title.removeprefix(PART)

        def make(context: JobContext) -> ChosenVoice:
            made = voice_of("clips", title, jobs.enrol(context, models, files, parts))
            voice = replace(made.voice, consent=before.voice.consent)
            return replace(made, voice=voice, speaker=before.person)

        def offer(_chosen: ChosenVoice) -> None:
            sentence = f"The voice is made of the selected {end - start:.1f} s only. Nothing was changed on disk."
            self._services.offer_undo(sentence, lambda: self.use(before))

        job = self._choose("Analysing the selected part", make, True)
        job.done.connect(offer)
        return job

    def adapt(self) -> Job | None:
        """Adapt the synthesizer to the recordings of the voice in use, which can be undone.

        The model is not changed: the voice has an adapter then, and a saved voice keeps it.
        """
        files, before = self._services.models_in_use(), self.chosen
        if files is None or before is None:
            return None
        models, store, key = self._services.models, self.store, before.key
        adapted: list[ChosenVoice] = []  # the voice as it was when the job began

        def make(context: JobContext) -> ChosenVoice:
            saved = before.kind == "saved" and key in store
            adapted.append(self._saved(key) if saved else before)
            voice = jobs.adapt(context, models, files, adapted[0].voice, [wav for _, wav in adapted[0].recordings])
            context.check()
            if not saved:
                return replace(before, voice=voice)
            store.set_adapter(key, voice.adapter)
            return self._saved(key)

        def take_back() -> None:
            if before.kind == "saved" and key in self.saved_names:
                old = adapted[0].voice.adapter
                self.change_library(
                    f"Restoring {key}", lambda: store.set_adapter(key, old), lambda _voice: self.choose("saved", key)
                )
            else:
                self.use(before)

        job = self._choose(f"Adapting to {before.title}", make, True)
        job.done.connect(lambda _chosen: self._services.offer_undo(
            f"{before.title} is adapted to its recordings: Speak uses that from now on.", take_back
        ))  # fmt: skip
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

    @property
    def is_deleted(self) -> bool:
        """Whether the saved voice in use is no longer in the library."""
        chosen = self.chosen
        return chosen is not None and chosen.kind == "saved" and chosen.key in self._seen - set(self.saved_names)

    def _set_chosen(self, chosen: ChosenVoice) -> None:
        self.chosen = chosen
        if chosen.key:
            self._services.preferences.set("voice_kind", chosen.kind)
            self._services.preferences.set("voice_key", chosen.key)
        if chosen.kind == "sample" and chosen.key not in self._mapped:
            self._mapped.add(chosen.key)
            self._report_clips(chosen)
        self.changed.emit()

    def use(self, chosen: ChosenVoice) -> None:
        """Use a voice that is already known."""
        if self._choosing is not None:
            self._choosing.cancel()
        self._set_chosen(chosen)

    def _report_clips(self, chosen: ChosenVoice) -> None:
        for clip in chosen.clips:
            if clip.embedding is not None:
                self.clip_analysed.emit(clip, chosen.person)

    def enrol_again(self) -> None:
        """Make the voice of the same clips again, after the encoder was changed."""
        self._samples.clear()
        chosen = self.chosen
        if chosen is None or chosen.kind in ("saved", "mix"):
            return
        if chosen.kind == "sample":
            self.choose("sample", chosen.key)
        elif chosen.clips:
            self.use_clips(chosen.recordings, chosen.title, chosen.speaker)

    # --- on the models' worker

    def _sample(self, context: JobContext, path: Path, files: ModelFiles) -> ChosenVoice:
        if path not in self._samples:
            self._samples[path] = jobs.enrol(context, self._services.models, files, [path], path.stem)
        return voice_of("sample", sample_title(path), self._samples[path], path.name)

    def _saved(self, name: str) -> ChosenVoice:
        stored = self.store.load(name)
        found = self.store.recordings(name)
        recordings = tuple((reference.source, wav) for reference, wav in found)
        count = len(stored.references)
        lines = [f"{count} reference{'s' * (count > 1)}", *stored.lines()]
        if stored.consent:
            lines.append(f"Consent: {stored.consent}")
        voice = self.store.library.load(name)  # exactly what the command line uses
        return ChosenVoice("saved", name, voice, name, recordings, first_mel(recordings), tuple(lines))

    # --- saved voices

    def refresh_library(self) -> None:
        self._services.submit(
            "Reading the voice library", lambda _context: self.store.names(), self._set_names, "files", False
        )

    def _set_names(self, names: list[str]) -> None:
        self.saved_names = names
        self._seen.update(names)
        self.library_changed.emit(names)

    def change_library(self, title: str, change: Callable[[], Any], done: Callable[[Any], object] | None = None) -> Job:
        """Change the saved voices on the files' worker, then read the list again."""
        job = self._services.submit(title, lambda _context: change(), done, "files")
        job.ended.connect(self.refresh_library)
        return job

    def save_chosen(self, name: str, consent: str) -> Job | None:
        """Save the voice in use with its adapter. If the name exists, its clips are added to that voice."""
        chosen, store = self.chosen, self.store
        if chosen is None:
            return None
        adapter = chosen.voice.adapter

        def save() -> str:
            dropped = store.is_adapted(name) and adapter is None
            for clip in chosen.clips:
                store.add_reference(name, clip.as_reference(), consent)
            if not chosen.clips:
                store.save_voice(replace(chosen.voice, name=name, consent=consent))
            elif adapter is not None:
                store.set_adapter(name, adapter)
            return ADAPTER_DROPPED if dropped else ""

        def saved(remark: str) -> None:
            self._services.notify(f"The voice was saved as {name}. {remark}".strip())
            if chosen.kind == "clips" and not chosen.speaker:
                self.person_renamed.emit(chosen.person, name)
            self.choose("saved", name)

        return self.change_library(f"Saving {name}", save, saved)
