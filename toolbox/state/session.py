"""The session of the window: the shared services, the chosen voice, and loading of models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PyQt5.QtCore import QObject

from cloning.models import DEFAULT_MODELS, STAGES, ModelFiles
from speech.errors import SpeechError, one_line
from toolbox import jobs
from toolbox.state.services import Services
from toolbox.state.voice_choice import FIRST_SAMPLE, VoiceChoice
from toolbox.state.worker import Job, JobContext
from toolbox.storage.model_files import paths_of
from toolbox.storage.preferences import Preferences
from toolbox.storage.results import ResultStore
from toolbox.storage.voice_store import VoiceStore


class Session(Services):
    """The services with a voice. Arguments as `Services`."""

    def __init__(
        self,
        preferences: Preferences | None = None,
        models_folder: Path = DEFAULT_MODELS,
        device: str = "auto",
        voices: VoiceStore | None = None,
        results: ResultStore | None = None,
        audio_library: Any = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(preferences, models_folder, device, results, audio_library, parent)
        self.voices = VoiceChoice(self, voices or VoiceStore())

    def start(self, prepare: Callable[[JobContext], object] | None = None) -> Job:
        """Load the models and the voice that were used last, or else the default models and the first sample.

        Args:
            prepare: done first on the models' worker; by default, the heavy imports.
        Returns:
            that first job. Until it has ended nothing else should import compiled modules: the system loads one
            library at a time, and an import that waits for it would hold the interpreter's lock and freeze the window.
        """
        starting = self.submit("Starting", prepare or _import_libraries, by_user=False)
        self.voices.refresh_library()
        try:
            self.files = self._remembered_files()
        except SpeechError as error:
            self.error.emit(one_line(error), "")
            return starting
        self.load_models(self.files, by_user=False)
        kind: str = self.preferences.get("voice_kind", "sample")
        self.voices.choose_first(kind, self.preferences.get("voice_key", FIRST_SAMPLE))
        return starting

    def _remembered_files(self) -> ModelFiles:
        """The existing model files of the last session. Raises: ModelFileError if the default ones are missing."""
        remembered: dict[str, Any] = {}
        if self.preferences.get("models_folder", "") == str(self.models_folder):
            model_files: dict[str, str] = self.preferences.get("model_files", {})
            for stage in STAGES:
                try:
                    ModelFiles.find(self.models_folder, **{stage: model_files.get(stage)})  # type: ignore[arg-type]
                except SpeechError as error:
                    self.logged.emit(f"The {stage} of the last session is not available: {one_line(error)}")
                else:
                    remembered[stage] = model_files.get(stage)
        return ModelFiles.find(self.models_folder, **remembered)

    def load_models(self, files: ModelFiles, by_user: bool = True) -> Job:
        """Use other models. If loading fails, the present ones stay in use."""
        models = self.models
        return self.submit(
            "Loading the models",
            lambda context: (jobs.load_models(context, models, files), models.can_adapt(files)),
            lambda loaded: self._models_loaded(files, *loaded),
            by_user=by_user,
        )

    def _models_loaded(self, files: ModelFiles, descriptions: dict[str, str], can_adapt: bool) -> None:
        changed_encoder = self.files is not None and self.files.encoder != files.encoder
        self.files, self.descriptions, self.can_adapt = files, descriptions, can_adapt
        self.preferences.set("models_folder", str(self.models_folder))
        self.preferences.set("model_files", paths_of(files))
        self.models_changed.emit()
        if changed_encoder:
            self.voices.enrol_again()


def _import_libraries(context: JobContext) -> None:
    from toolbox.jobs.quiet_imports import import_quietly

    def report(done: int, total: int) -> None:
        context.progress("Starting", done, total)
        context.check()

    import_quietly(progress=report)
