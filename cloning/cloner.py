"""The chain for users of the library: enrol a voice, speak texts with it.

    from cloning import SpeechOptions, VoiceCloner

    cloner = VoiceCloner.load()
    voice = cloner.enroll(["a.wav", "b.flac"], name="ann")
    cloner.speak("Hello there.", voice, SpeechOptions(seed=1, speed=0.9)).save("hello.wav")

PyTorch and the stages are imported when models are loaded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from cloning.compatibility import require_same_space
from cloning.conversion import ConversionStream
from cloning.enrolment import voice_of_clips
from cloning.models import DEFAULT_MODELS, ModelFiles, load_encoder, load_speech_model, units_of, use_threads
from cloning.monitor import SILENT, Monitor
from cloning.options import SpeechOptions
from cloning.references import Reference, listed, read_reference
from cloning.result import Conversion, GeneratedAudio, Speech
from cloning.source_speech import SourceSpeech
from cloning.speech_model import SpeechModel
from cloning.streaming import SpeechStream
from cloning.voices import Voice, VoiceLibrary
from speech.errors import AudioError

if TYPE_CHECKING:
    from encoder import SpeakerEncoder
    from encoder.enrolment import Weighting
    from speech.quality import Remark

logger = logging.getLogger(__name__)

DEFAULTS = SpeechOptions()


class VoiceCloner:
    """A speaker encoder and a speech model. Holds no other state, so one instance may serve many voices.

    Args:
        encoder: makes voices.
        model: speaks with them, for example `cloning.TwoStage(synthesizer, vocoder)`.
        library: where voices that are given by name are looked up; default: the user's own. If it requires consent
            notes, so does the use of any voice.
        load_converting: loads a model for `convert` when it is first used, if `model` converts no speech.

    Raises:
        ConfigError: encoder and model use different embedding spaces.
    """

    def __init__(
        self,
        encoder: SpeakerEncoder,
        model: SpeechModel,
        library: VoiceLibrary | None = None,
        load_converting: Callable[[], SpeechModel] | None = None,
    ) -> None:
        require_same_space(encoder.embedding_space, model.embedding_space)
        self.encoder = encoder
        self.model = model
        self.library = VoiceLibrary() if library is None else library
        self._load_converting = load_converting
        self._converting: SpeechModel | None = None

    @classmethod
    def load(
        cls,
        models: str | Path | ModelFiles = DEFAULT_MODELS,
        *,
        encoder: str | Path | None = None,
        synthesizer: str | Path | None = None,
        vocoder: str | Path | None = None,
        device: str = "auto",
        threads: int = 1,
        library: VoiceLibrary | None = None,
    ) -> VoiceCloner:
        """Load the models of a folder; see `ModelFiles.find` for the files.

        Args:
            threads: CPU threads of PyTorch in this process. With more than 1 long texts may take less time, and the
                samples of a seed differ in rounding.
            library: see `VoiceCloner`.

        Raises:
            ModelFileError: a file is missing or is not a model of its stage.
            ConfigError: the files do not fit each other, or there is no such device.
        """
        use_threads(threads)
        if isinstance(models, ModelFiles):
            return cls(load_encoder(models, device), load_speech_model(models, device), library)
        files = ModelFiles.find(models, encoder=encoder, synthesizer=synthesizer, vocoder=vocoder)

        model = load_speech_model(files, device)

        def load_converting() -> SpeechModel:
            given = files.synthesizer if synthesizer is not None and units_of(files.synthesizer) else None
            needed = ModelFiles.find_conversion(models, encoder=encoder, synthesizer=given)
            shared = model.synthesizer if needed.synthesizer == files.synthesizer else None
            return load_speech_model(needed, device, shared)

        return cls(load_encoder(files, device), model, library, load_converting)

    @property
    def sample_rate(self) -> int:
        """Of the speech, in Hz."""
        return self.model.sample_rate

    def warm_up(self) -> None:
        """Load models and compile kernels before the first text; useful before streaming."""
        self.model.warm_up()

    def enroll(
        self,
        references: Reference | Iterable[Reference],
        name: str = "",
        consent: str = "",
        on_remark: Callable[[str, Remark], None] | None = None,
        weights: Sequence[float] | Weighting = "speech",
    ) -> Voice:
        """Make a voice from one or more clips of a speaker: the normalised weighted mean of their embeddings.

        Args:
            references: audio files, or float32 [samples] at 16 kHz in [-1, 1]; one or several.
            name, consent: kept with the voice.
            on_remark: called with the clip's name and each warning of the quality check; logged if not given.
            weights: weight of each clip: "speech" for its seconds of speech, "equal", or one number each.

        Raises:
            AudioError: there are no clips, a file is missing, or a clip is unfit for cloning. A clip that cannot be
                read or has too little speech is skipped with a warning if another one has enough.
            ConfigError: the weights do not fit the clips.
            TypeError: a reference is neither a path nor an array.
        """
        from encoder.enrolment import enrolment_report

        samples: list[np.ndarray] = []

        def read(reference: Reference) -> tuple[str, np.ndarray | AudioError]:
            source, wav = read_reference(reference)
            samples.append(np.zeros(0, np.float32) if isinstance(wav, AudioError) else wav)
            return source, wav

        report = enrolment_report(map(read, listed(references)), self.encoder, weights)
        report.raise_for_errors()
        for source, remark in report.all_remarks:
            (on_remark or _log_remark)(source, remark)
        return voice_of_clips(report, samples, self.encoder.embedding_space, name, consent)

    def adapt(
        self,
        voice: Voice | str,
        references: Reference | Iterable[Reference],
        *,
        monitor: Monitor = SILENT,
        seed: int = 0,
    ) -> Voice:
        """Make a voice more like the person, with a minute or more of recordings. Takes two to three minutes.

        The models are not changed: the result keeps a small adapter, which is used whenever that voice speaks.

        Args:
            references: audio files, or float32 [samples] at 16 kHz in [-1, 1]; one or several.
            monitor: its `progress` is called with ("adaptation", steps done, steps in all); `cancelled` is polled
                at each step.

        Raises:
            AudioError: a recording cannot be read. CorpusError: there is too little audio.
            ConfigError: the models cannot be adapted.
        """
        recordings = []
        for reference in listed(references):
            samples = read_reference(reference)[1]
            if isinstance(samples, AudioError):
                raise samples
            recordings.append(samples)
        return self.model.adapt(self._voice(voice), recordings, monitor, seed)

    @overload
    def speak(self, text: str, voice: Voice | str, options: SpeechOptions = ..., **changes: Any) -> Speech: ...

    @overload
    def speak(
        self, text: Sequence[str], voice: Voice | str, options: SpeechOptions = ..., **changes: Any
    ) -> list[Speech]: ...

    def speak(
        self,
        text: str | Sequence[str],
        voice: Voice | str,
        options: SpeechOptions = DEFAULTS,
        *,
        monitor: Monitor = SILENT,
        **changes: Any,
    ) -> Speech | list[Speech]:
        """Speak a text, or each of several texts.

        Args:
            text: one text of any length, or a list of texts.
            voice: a voice, or the name of one in `library`.
            changes: fields of `options` by name, as in `speak(text, voice, seed=1, speed=0.9)`.

        Returns:
            The speech, or a list of one for each text.

        Raises:
            TextError: a text is empty or nothing in it can be spoken.
            ConfigError: an option is out of range, the voice is of another embedding space or has no consent note where
                one is required, or the watermark's package is missing.
            ModelFileError: the models produced no usable audio, or there is no voice of that name.
            WorkCancelled: `monitor.cancelled` returned True.
            TypeError: an argument is of a wrong type.
        """
        if isinstance(text, str):
            return SpeechStream(*self._checked(text, voice, options, changes), monitor, whole=True).speech
        if isinstance(text, bytes) or not isinstance(text, Iterable):
            raise TypeError(f"text must be a string or a list of strings, not {type(text).__name__}.")
        voice = self._voice(voice)
        return [self.speak(one, voice, options, monitor=monitor, **changes) for one in list(text)]

    def stream(
        self,
        text: str,
        voice: Voice | str,
        options: SpeechOptions = DEFAULTS,
        *,
        monitor: Monitor = SILENT,
        **changes: Any,
    ) -> SpeechStream:
        """Speak a text chunk by chunk, each as soon as it is generated. Arguments and errors as for `speak`.

        Returns:
            An iterator of float32 [samples]; its `speech` is what `speak` returns.
        """
        return SpeechStream(*self._checked(text, voice, options, changes), monitor)

    def convert(
        self,
        speech: Reference | SourceSpeech,
        voice: Voice | str,
        options: SpeechOptions = DEFAULTS,
        *,
        keep_pitch: bool = False,
        monitor: Monitor = SILENT,
        **changes: Any,
    ) -> Conversion:
        """What is said in a recording, with the same timing and melody, in another voice.

        Args:
            speech: an audio file, float32 [samples] at 16 kHz in [-1, 1], or a recording that was read.
            voice: a voice, or the name of one in `library`.
            keep_pitch: keep the pitch of the recording instead of moving it to the median of the voice.
            changes: fields of `options` by name: seed, pitch_range, loudness and watermark.

        Raises:
            AudioError: the recording cannot be read, or there is no speech in it.
            ModelFileError: the models folder has no model for speech to speech, or it produced no usable audio.
            ConfigError: an option has no effect on a recording, or as `speak`.
            WorkCancelled: `monitor.cancelled` returned True.
            TypeError: an argument is of a wrong type.
        """
        return self.convert_stream(
            speech, voice, options, keep_pitch=keep_pitch, monitor=monitor, **changes
        ).conversion  # fmt: skip

    def convert_stream(
        self,
        speech: Reference | SourceSpeech,
        voice: Voice | str,
        options: SpeechOptions = DEFAULTS,
        *,
        keep_pitch: bool = False,
        monitor: Monitor = SILENT,
        **changes: Any,
    ) -> ConversionStream:
        """Convert a recording chunk by chunk, each as soon as it is generated. Arguments and errors as for `convert`.

        Returns:
            An iterator of float32 [samples]; its `conversion` is what `convert` returns.
        """
        changed, chosen = _changed(options, changes), self._voice(voice)
        source = SourceSpeech.read(speech)
        model = self._converting_model()
        if model.needs_source:
            source = source.with_embedding(self.encoder.embed)
        return ConversionStream(model, source, chosen, changed, keep_pitch, monitor)

    def _converting_model(self) -> SpeechModel:
        """The model that converts speech, loaded on first use. Raises: ModelFileError, ConfigError."""
        if self.model.converts or self._load_converting is None:
            return self.model  # if it does not convert, it says so
        if self._converting is None:
            converting = self._load_converting()
            require_same_space(self.encoder.embedding_space, converting.embedding_space)
            self._converting = converting
        return self._converting

    def similarity(self, speech: GeneratedAudio, voice: Voice | str) -> float | None:
        """Cosine similarity in [-1, 1] of the speech's embedding and the voice; None if no speech is detected in it.

        The encoder that made the voice measures it too, which favours the result: use it for comparisons only.
        """
        from speech.audio import SAMPLE_RATE, resample

        try:
            embedding = self.encoder.embed(resample(speech.wav, speech.sample_rate, SAMPLE_RATE))
        except AudioError as error:
            logger.info("no similarity: %s", error)
            return None
        return float(np.dot(embedding, self._voice(voice).embedding))

    def __repr__(self) -> str:
        return f"VoiceCloner({type(self.model).__name__}, {self.sample_rate} Hz, {self.model.embedding_space!r})"

    def _checked(
        self, text: str, voice: Voice | str, options: SpeechOptions, changes: dict[str, Any]
    ) -> tuple[SpeechModel, str, Voice, SpeechOptions]:
        """Raises: TypeError."""
        if not isinstance(text, str):
            raise TypeError(f"text must be a string, not {type(text).__name__}.")
        return self.model, text, self._voice(voice), _changed(options, changes)

    def _voice(self, voice: Voice | str) -> Voice:
        if isinstance(voice, str):
            return self.library.load(voice)
        if not isinstance(voice, Voice):
            raise TypeError(f"voice must be a Voice or the name of a saved one, not {type(voice).__name__}.")
        return self.library.checked(voice)


def _changed(options: SpeechOptions, changes: dict[str, Any]) -> SpeechOptions:
    """Options with some fields changed. Raises: TypeError, ConfigError."""
    if not isinstance(options, SpeechOptions):
        raise TypeError(f"options must be a SpeechOptions, not {type(options).__name__}.")
    return replace(options, **changes)


def _log_remark(source: str, remark: Remark) -> None:
    logger.warning("%s: %s", source, remark.sentence)
