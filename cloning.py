"""The three stages chained: enroll a voice from clips, speak a text with it, keep the voice for later.

    cloner = VoiceCloner.load()
    voice = cloner.enroll(["a.wav", "b.flac"], name="ann")
    speech = cloner.speak("Hello there.", voice, seed=1)
    write_audio("hello.wav", speech.wav, speech.sample_rate)

Torch and the stages are imported when models are loaded, so that voices can be listed and read without them.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speech.errors import AudioError, ConfigError, ModelFileError, TextError
from voices import Voice, VoiceLibrary, check_voice_name, default_library

if TYPE_CHECKING:
    from encoder import SpeakerEncoder
    from encoder.enrolment import Weighting
    from speech.quality import Remark
    from synthesizer import Synthesis, Synthesizer

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
]

logger = logging.getLogger(__name__)

DEFAULT_MODELS = Path(__file__).resolve().parent / "models" / "default"
GRIFFIN_LIM = "griffin-lim"

MINIMUM_COVERAGE = 0.9  # of the text; below it a word is missing
PEAK = 0.9  # of the finished speech: the level the vocoders are trained at, with headroom for lossy encoders
MAX_GAIN = 10.0  # a nearly silent result is a failure to be heard as one, not noise to be turned up
FADE_SECONDS = 0.005  # a cut at a non-zero sample clicks; 5 ms are not heard as a fade


@dataclass(frozen=True)
class ModelFiles:
    """Which files make up a chain; `vocoder` is None for Griffin-Lim, which needs none."""

    encoder: Path
    synthesizer: Path
    vocoder: Path | None = None

    @classmethod
    def find(
        cls,
        directory: str | Path = DEFAULT_MODELS,
        *,
        encoder: str | Path | None = None,
        synthesizer: str | Path | None = None,
        vocoder: str | Path | None = None,
    ) -> ModelFiles:
        """The files of a models folder, each of which may be replaced by a file of one's own.

        A folder holds `encoder.safetensors`, `synthesizer.safetensors`, mostly `vocoder.safetensors`, and may hold a
        `defaults.json` whose entry "vocoder" is "griffin-lim" or the name of a file in the folder: whichever of
        the two was measured to be understood better with this synthesizer. Without it the vocoder file is taken if it
        is there.

        Args:
            vocoder: a file, or a name as `vocoder.names` has them.
        Raises:
            ModelFileError: a file is missing, or `defaults.json` is not readable.
        """
        directory = Path(directory)
        files = cls(
            Path(encoder) if encoder else directory / "encoder.safetensors",
            Path(synthesizer) if synthesizer else directory / "synthesizer.safetensors",
            _chosen_vocoder(directory, vocoder),
        )
        for stage, path in (("encoder", files.encoder), ("synthesizer", files.synthesizer), ("vocoder", files.vocoder)):
            if path is not None and not path.is_file():
                raise ModelFileError(
                    f"There is no {stage} model {path}: name a folder of models (--models) or a file (--{stage})."
                )
        return files


def _chosen_vocoder(directory: Path, wish: str | Path | None) -> Path | None:
    if wish is not None:
        from vocoder.names import find_vocoder

        return None if str(wish).lower() == GRIFFIN_LIM else find_vocoder(directory, wish)
    usual, defaults = directory / "vocoder.safetensors", directory / "defaults.json"
    if not defaults.is_file():
        return usual if usual.is_file() else None
    try:
        choice = json.loads(defaults.read_text(encoding="utf-8")).get("vocoder", usual.name)
    except (OSError, ValueError, AttributeError) as error:
        raise ModelFileError(
            f'{defaults} is not readable: it should hold {{"vocoder": "{GRIFFIN_LIM}"}} or a file.'
        ) from error
    if not isinstance(choice, str) or Path(choice).name != choice:
        raise ModelFileError(f'{defaults}: "vocoder" must be "{GRIFFIN_LIM}" or the name of a file in that folder.')
    return None if choice == GRIFFIN_LIM else directory / choice


def resolve_device(name: str) -> str:
    """ "auto" is the GPU where there is one. Raises: ConfigError for a device that torch does not have here."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(f"The device {name!r} is not there: choose cpu, cuda, cuda:1, mps or auto.") from error
    return name


@dataclass(frozen=True, eq=False)
class Speech:
    """A spoken text.

    Attributes:
        wav: float32 [samples], peak 0.9 at most.
        mel: float32 [80, frames] in [-4, 4].
        alignment: float32 [tokens, steps], attention weights.
        seed: what to give `VoiceCloner.speak` to have these very samples again.
        alignment_score: 1 if the attention of every sentence read the whole text once, in order; the worst sentence's
            share of the text that was read, divided by one more than the number of times it went back or ran on.
        remarks: what went wrong with the attention, a sentence each; empty if nothing did.
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
            from vocoder.griffin_lim import GriffinLimVocoder

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

        report = enrolment_report(map(_read_reference, references), self.encoder, weights)
        report.raise_for_errors()
        tell = on_remark or _log_remark
        for source, remark in report.all_remarks:
            tell(source, remark)
        space = self.encoder.embedding_space
        voices = [Voice(clip.embedding, space, sources=(clip.source,)) for clip in report.clips]
        return Voice.average(voices, name, consent, report.weights.tolist())

    def speak(
        self, text: str, voice: Voice, seed: int | None = None, progress: Callable[[str, int, int], None] | None = None
    ) -> Speech:
        """Say a text with a voice.

        Args:
            seed: makes the samples repeatable on one machine; None draws one, which the result names.
            progress: called with a stage's name, what is done and what there is to do.
        Raises:
            TextError: there is nothing to say.
            ConfigError: the voice is of another embedding space than the synthesizer.
            ModelFileError: the models made something that is no sound.
        """
        self._check(text, voice)
        seed = secrets.randbelow(2**31) if seed is None else seed
        synthesis = self.synthesizer.synthesize(
            text, voice.embedding, seed=seed, progress=_for(progress, "synthesizer")
        )
        wav = self.vocoder.vocode(synthesis.mel, seed=seed, progress=_for(progress, "vocoder"))
        score, remarks = judge_attention(synthesis)
        return Speech(
            wav=finish(wav, self.sample_rate),
            sample_rate=self.sample_rate,
            text=text,
            seed=seed,
            mel=synthesis.mel,
            alignment=synthesis.alignment,
            tokens=tuple(synthesis.tokens),
            alignment_score=score,
            remarks=remarks,
        )

    def stream(
        self,
        text: str,
        voice: Voice,
        seed: int | None = None,
        on_sentence: Callable[[Synthesis], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[np.ndarray]:
        """Say a text with a voice, and hand out the sound while it is made: float32 [samples] in [-1, 1] each.

        Args:
            on_sentence: told each sentence's synthesis before it is heard.
            cancelled: asked while the vocoder works; True ends it with `vocoder.inference.VocodingCancelled`.
        Raises: as `speak`.
        """
        from streaming import stream_speech

        self._check(text, voice)
        seed = secrets.randbelow(2**31) if seed is None else seed
        return stream_speech(self, text, voice, seed, on_sentence, cancelled)

    def _check(self, text: str, voice: Voice) -> None:
        if not text.strip():
            raise TextError("The text is empty: give something to say.")
        if voice.embedding_space != self.synthesizer.embedding_space:
            raise ConfigError(
                f"The voice {voice.name!r} is of the embedding space {voice.embedding_space!r}, but this synthesizer "
                f"expects {self.synthesizer.embedding_space!r}: enroll it again with the encoder that belongs here."
            )

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


def judge_attention(synthesis: Synthesis) -> tuple[float, tuple[str, ...]]:
    """The alignment score of a synthesis, as `Speech` defines it, and a sentence for each thing that went wrong."""
    from synthesizer.alignment_score import alignment_report

    scores, remarks = [], []
    for number, sentence in enumerate(synthesis.sentences, start=1):
        report = alignment_report(sentence.alignment, sentence.stopped)
        scores.append(report.coverage / (1 + report.backward_jumps + (not report.reached_end) + (not report.stopped)))
        troubles = [
            (report.coverage < MINIMUM_COVERAGE, f"{1 - report.coverage:.0%} of the text was skipped"),
            (report.backward_jumps > 0, "something was said twice"),
            (not report.reached_end, "the end of the text was not reached"),
            (not report.stopped, "it did not stop by itself"),
        ]
        remarks += [f"sentence {number}: {what}" for happened, what in troubles if happened]
    return round(min(scores, default=0.0), 3), tuple(remarks)


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
