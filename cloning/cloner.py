"""The three stages chained: enroll a voice from clips, speak a text with it, keep the voice for later.

    cloner = VoiceCloner.load()
    voice = cloner.enroll(["a.wav", "b.flac"], name="ann")
    speech = cloner.speak("Hello there.", voice, seed=1)
    write_audio("hello.wav", speech.wav, speech.sample_rate)

Torch and the stages are imported when models are loaded, so that voices can be listed and read without them.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cloning.models import DEFAULT_MODELS, GRIFFIN_LIM, ModelFiles, resolve_device
from cloning.voices import Voice, VoiceLibrary, check_voice_name, default_library
from speech.errors import AudioError, ConfigError, ModelFileError, TextError
from synthesizer.options import SynthesisOptions

if TYPE_CHECKING:
    from encoder import SpeakerEncoder
    from encoder.enrolment import Weighting
    from speech.quality import Remark
    from synthesizer import Sentence, Synthesis, Synthesizer
    from synthesizer.text.lexicon import Lexicon

__all__ = [
    "DEFAULT_MODELS",
    "GRIFFIN_LIM",
    "ModelFiles",
    "Speech",
    "Voice",
    "VoiceCloner",
    "VoiceLibrary",
    "check_voice_name",
    "default_library",
    "judge_attention",
    "resolve_device",
]

logger = logging.getLogger(__name__)

PEAK = 0.9  # of the finished speech: the level the vocoders are trained at, with headroom for lossy encoders
MAX_GAIN = 10.0  # a nearly silent result is a failure to be heard as one, not noise to be turned up
FADE_SECONDS = 0.005  # a cut at a non-zero sample clicks; 5 ms are not heard as a fade


@dataclass(frozen=True, eq=False)
class Speech:
    """A spoken text.

    Attributes:
        wav: float32 [samples], peak 0.9 at most.
        mel: float32 [80, frames] in [-4, 4].
        alignment: float32 [tokens, steps], attention weights; of a very long text not every step.
        seed: what to give `VoiceCloner.speak` to have these very samples again.
        alignment_score: 1 if every sentence was read once, whole and in order; the score of the worst sentence, see
            `synthesizer.tacotron.reading.judge`.
        remarks: what is wrong with the reading, a sentence each; empty if nothing is.
        sentences: how each sentence was read: attempts, what was done to it, its own score and remarks.
    """

    wav: np.ndarray
    sample_rate: int
    text: str
    seed: int
    mel: np.ndarray
    alignment: np.ndarray
    tokens: tuple[str, ...]
    alignment_score: float
    remarks: tuple[str, ...]
    sentences: tuple[Sentence, ...] = ()

    @property
    def seconds(self) -> float:
        return len(self.wav) / self.sample_rate


class VoiceCloner:
    """Encoder, synthesizer and vocoder, chained. Holds no state besides them."""

    def __init__(self, encoder: SpeakerEncoder, synthesizer: Synthesizer, vocoder: Any) -> None:
        """Raises: ConfigError if the three do not fit each other."""
        if encoder.embedding_space != synthesizer.embedding_space:
            raise ConfigError(
                f"The synthesizer expects voices of the space {synthesizer.embedding_space!r}, but the encoder makes "
                f"{encoder.embedding_space!r}: use an encoder and a synthesizer that were trained together."
            )
        if vocoder.mel_config != synthesizer.mel_config:
            raise ConfigError(
                "The synthesizer and the vocoder were trained on different kinds of mels: use two that belong "
                f"together, or the vocoder {GRIFFIN_LIM}."
            )
        self.encoder = encoder
        self.synthesizer = synthesizer
        self.vocoder = vocoder

    @classmethod
    def load(
        cls,
        models: str | Path | ModelFiles = DEFAULT_MODELS,
        *,
        encoder: str | Path | None = None,
        synthesizer: str | Path | None = None,
        vocoder: str | Path | None = None,
        device: str = "auto",
    ) -> VoiceCloner:
        """Load a chain; see `ModelFiles.find` for the arguments.

        Raises:
            ModelFileError: a file is missing or is no model of its stage.
            ConfigError: the files do not fit each other, or the device is not there.
        """
        files = models
        if not isinstance(files, ModelFiles):
            files = ModelFiles.find(files, encoder=encoder, synthesizer=synthesizer, vocoder=vocoder)
        from encoder import SpeakerEncoder
        from synthesizer import Synthesizer

        device = resolve_device(device)
        loaded = SpeakerEncoder.load(files.encoder, device=device), Synthesizer.load(files.synthesizer, device=device)
        if files.vocoder is None:
            from vocoder.griffin_lim.inference import GriffinLimVocoder

            return cls(*loaded, GriffinLimVocoder(loaded[1].mel_config))
        from vocoder import Vocoder

        return cls(*loaded, Vocoder.load(files.vocoder, device=device))

    def enroll(
        self,
        references: Iterable[str | Path | np.ndarray],
        name: str = "",
        consent: str = "",
        on_remark: Callable[[str, Remark], None] | None = None,
        weights: Sequence[float] | Weighting = "speech",
    ) -> Voice:
        """Listen to clips of one speaker; the voice is the normalised weighted mean of their embeddings.

        Args:
            references: sound files, or float32 [samples] at 16 kHz in [-1, 1].
            on_remark: told the clip's name and each doubt of the quality gate that is no error; logged where missing.
            weights: how much each clip counts: "speech" as many seconds of speech as it has, "equal", or a number each.
        Raises:
            AudioError: there are no clips, or one of them cannot be read or is not fit to clone from.
            ConfigError: the weights do not fit the clips.
        """
        from encoder.enrolment import enrolment_report
        from speech.mel_f0 import median_f0

        pitches: list[float | None] = []

        def heard(reference: str | Path | np.ndarray) -> tuple[str, np.ndarray]:
            source, wav = _read_reference(reference)
            pitches.append(median_f0(wav))
            return source, wav

        report = enrolment_report(map(heard, references), self.encoder, weights)
        report.raise_for_errors()
        tell = on_remark or _log_remark
        for source, remark in report.all_remarks:
            tell(source, remark)
        space = self.encoder.embedding_space
        voices = [
            Voice(clip.embedding, space, sources=(clip.source,), pitch=pitch)
            for clip, pitch in zip(report.clips, pitches, strict=True)
        ]
        return Voice.average(voices, name, consent, report.weights.tolist())

    def speak(
        self,
        text: str,
        voice: Voice,
        seed: int | None = None,
        progress: Callable[[str, int, int], None] | None = None,
        *,
        speed: float = 1.0,
        pauses: float = 1.0,
        pitch_range: float = 1.0,
        lexicon: Lexicon | None = None,
    ) -> Speech:
        """Say a text with a voice.

        Args:
            seed: makes the samples repeatable on one machine; None draws one, which the result names.
            progress: called with a stage's name, what is done and what there is to do.
            speed: 0.5 to 2; 0.8 is a fifth slower. The pitch stays.
            pauses: 0 to 5; 2 makes the pauses twice as long.
            pitch_range: 0 to 3; 0 speaks on one note, 2 goes up and down twice as far.
            lexicon: pronunciations that come before the dictionary's, see `synthesizer.text.lexicon.read_lexicon`.
        Raises:
            TextError: there is nothing to say.
            ConfigError: the voice is of another embedding space than the synthesizer; the speed, the pauses or the
                pitch_range are out of range.
            ModelFileError: the models made something that is no sound.
        """
        self._check(text, voice)
        seed = secrets.randbelow(2**31) if seed is None else seed
        synthesis = self.synthesizer.synthesize(
            text,
            voice,
            SynthesisOptions(speed=speed, pauses=pauses, pitch_range=pitch_range, lexicon=lexicon),
            seed=seed,
            progress=_for(progress, "synthesizer"),
        )
        wav = self.vocoder.vocode(synthesis.mel, seed=seed, progress=_for(progress, "vocoder"))
        return as_speech(wav, synthesis, self.sample_rate, text, seed)

    def stream(
        self,
        text: str,
        voice: Voice,
        seed: int | None = None,
        on_sentence: Callable[[Synthesis], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        *,
        speed: float = 1.0,
        pauses: float = 1.0,
        pitch_range: float = 1.0,
        lexicon: Lexicon | None = None,
    ) -> Iterator[np.ndarray]:
        """Say a text with a voice, and hand out the sound while it is made: float32 [samples] in [-1, 1] each.

        Args:
            on_sentence: told each sentence's synthesis before it is heard.
            cancelled: asked while the models work; True ends it with `vocoder.base.VocodingCancelled`.
            speed, pauses, pitch_range, lexicon: as for `speak`.
        Raises: as `speak`.
        """
        from cloning.streaming import stream_speech

        self._check(text, voice)
        seed = secrets.randbelow(2**31) if seed is None else seed
        return stream_speech(
            self, text, voice, seed, on_sentence, cancelled, speed=speed, pauses=pauses, pitch_range=pitch_range,
            lexicon=lexicon,
        )  # fmt: skip

    def _check(self, text: str, voice: Voice) -> None:
        if not text.strip():
            raise TextError("The text is empty: give something to say.")
        if voice.embedding_space != self.synthesizer.embedding_space:
            raise ConfigError(
                f"The voice {voice.name!r} is of the embedding space {voice.embedding_space!r}, but this synthesizer "
                f"expects {self.synthesizer.embedding_space!r}: enroll it again with the encoder that belongs here."
            )

    def warm_up(self) -> None:
        """Do beforehand what the first text would wait for; worth it before sound is streamed."""
        self.synthesizer.warm_up()
        self.vocoder.warm_up()

    @property
    def sample_rate(self) -> int:
        return self.synthesizer.mel_config.sample_rate

    def similarity(self, speech: Speech, voice: Voice) -> float | None:
        """Cosine in [-1, 1] between the voice and the embedding of what was said; None if no speech is heard in it.

        The encoder that chose the voice is the judge here, so the figure flatters: compare it with itself only.
        """
        from speech.audio import SAMPLE_RATE, resample

        try:
            heard = self.encoder.embed(resample(speech.wav, speech.sample_rate, SAMPLE_RATE))
        except AudioError as error:
            logger.info("no similarity: %s", error)
            return None
        return float(np.dot(heard, voice.embedding))


def finish(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """Level and edges of the vocoder's output: peak 0.9 (turned up by 20 dB at most), 5 ms of fade at either end.

    Args:
        wav: float32 [samples].
    Raises:
        ModelFileError: it is empty or holds values that are not numbers, which only a broken model makes.
    """
    if not len(wav) or not np.isfinite(wav).all():
        raise ModelFileError("The models made no usable sound: their files are damaged or do not belong together.")
    largest = float(np.max(np.abs(wav)))
    wav = wav * np.float32(min(PEAK / max(largest, 1e-9), MAX_GAIN))
    fade = min(round(FADE_SECONDS * sample_rate), len(wav) // 2)
    if fade:
        ramp = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
        wav[:fade] *= ramp
        wav[-fade:] *= ramp[::-1]
    return wav.astype(np.float32, copy=False)


def as_speech(wav: np.ndarray, synthesis: Synthesis, sample_rate: int, text: str, seed: int) -> Speech:
    """A synthesis and its sound, finished and judged. Args: wav: float32 [samples]. Raises: as `finish`."""
    score, remarks = judge_attention(synthesis)
    return Speech(
        wav=finish(wav, sample_rate),
        sample_rate=sample_rate,
        text=text,
        seed=seed,
        mel=synthesis.mel,
        alignment=synthesis.alignment,
        tokens=tuple(synthesis.tokens),
        alignment_score=score,
        remarks=remarks,
        sentences=tuple(synthesis.sentences),
    )


def judge_attention(synthesis: Synthesis) -> tuple[float, tuple[str, ...]]:
    """The alignment score of a synthesis, as `Speech` defines it, and a sentence for each thing that is wrong."""
    remarks = [
        f"sentence {number}: {what}"
        for number, sentence in enumerate(synthesis.sentences, start=1)
        for what in sentence.remarks
    ]
    return round(min((sentence.score for sentence in synthesis.sentences), default=0.0), 3), tuple(remarks)


def _read_reference(reference: str | Path | np.ndarray) -> tuple[str, np.ndarray]:
    """What to call a reference, and its sound."""
    from encoder.enrolment import MAX_SECONDS
    from speech.audio import read_audio

    if isinstance(reference, np.ndarray):
        return "a recording", reference
    return Path(reference).name, read_audio(reference, max_seconds=MAX_SECONDS)


def _log_remark(source: str, remark: Remark) -> None:
    logger.warning("%s: %s", source, remark.sentence)


def _for(progress: Callable[[str, int, int], None] | None, stage: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(stage, done, total)
