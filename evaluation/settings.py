"""The flags of `evaluate.py`, one class for each subcommand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import tyro

from modelfile.locations import DEFAULT_MODELS
from speech.errors import ConfigError

POCKETSPHINX, NO_RECOGNISER, WHISPER = "pocketsphinx", "none", "faster-whisper:"

SpeakerInput = Literal["auto", "waveform", "fbank"]
Corpora = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="CORPUS [CORPUS ...]")]


@dataclass(frozen=True)
class EncoderSettings:
    """Equal error rate and minDCF over all pairs of clips of each corpus, whole and short, clean and in noise."""

    command: ClassVar[str] = "encoder"

    corpora: Corpora
    """Corpora, each measured by itself: folders or lhotse manifests."""
    encoder: tuple[str, ...] = (str(DEFAULT_MODELS / "encoder.safetensors"),)
    """Encoder model files, or label=FILE. Each is compared with the one before it."""
    public: bool = False
    """Also measure the public encoder, with the weights of the package resemblyzer."""
    mfcc: bool = False
    """Also measure two baselines without learning: means of MFCC, and means and deviations."""
    noise: Path | None = None
    """Folder of noises to mix in. Only those that are held out from training are used."""
    snr: tuple[float, ...] = (10.0, 0.0)
    """Signal-to-noise ratios in dB."""
    seconds: tuple[float, ...] = (1.6, 3.0, 5.0)
    """Seconds of speech in the short clips."""
    limit_per_speaker: int | None = None
    """Use at most this many utterances of each speaker."""
    held_out: bool = False
    """Use only utterances that no stage is trained on."""
    seed: int = 0
    """Seed of the choice of utterances, of the short clips, and of the noise."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    out: Path | None = None
    """Folder for report.json and report.md."""
    force: bool = False
    """Overwrite an existing report."""

    def __post_init__(self) -> None:
        _check_limit("--limit-per-speaker", self.limit_per_speaker)
        if any(not 0.5 <= seconds <= 600 for seconds in self.seconds):
            raise ConfigError("--seconds must lie between 0.5 and 600.")
        _check_ratios(self.snr)


@dataclass(frozen=True)
class JudgeSettings:
    """The judges of audio. Distill-MOS, resemblyzer and PESQ also judge it if their packages are installed."""

    recogniser: str = POCKETSPHINX
    """Speech recogniser: pocketsphinx, none, or faster-whisper:MODEL with a folder, or a name to download once."""
    speaker_judge: str | None = None
    """Speaker model that judges similarity: ONNX, TorchScript or encoder file, or label=FILE."""
    speaker_input: SpeakerInput = "auto"
    """Input of the speaker model at 16 kHz: waveform, or 80 log mel bands as in Kaldi, minus their mean (fbank)."""
    speaker_threshold: float | None = None
    """Cosine from which the speaker model accepts a clip as the speaker. The accepted fraction is reported."""

    def __post_init__(self) -> None:
        is_whisper = self.recogniser.startswith(WHISPER) and self.recogniser != WHISPER
        if not is_whisper and self.recogniser not in (POCKETSPHINX, NO_RECOGNISER):
            raise ConfigError(
                f"--recogniser must be {POCKETSPHINX}, {NO_RECOGNISER} or {WHISPER}MODEL, not {self.recogniser}."
            )
        if self.speaker_judge is None and (self.speaker_threshold is not None or self.speaker_input != "auto"):
            raise ConfigError("--speaker-threshold and --speaker-input need a --speaker-judge.")
        if self.speaker_threshold is not None and not -1 < self.speaker_threshold < 1:
            raise ConfigError("--speaker-threshold must lie between -1 and 1.")


@dataclass(frozen=True)
class VocoderSettings:
    """Copy synthesis: recordings are converted to mels and back by a vocoder, and compared with the recordings."""

    command: ClassVar[str] = "vocoder"

    corpora: Corpora
    """Corpora, evaluated together: folders or lhotse manifests."""
    vocoder: tuple[str, ...] = ()
    """Family names, vocoder model files, or label=FILE. Default: the family that needs no model file."""
    models: Path = DEFAULT_MODELS
    """Folder in which family names are looked up."""
    limit: int | None = 40
    """Use at most this many utterances, spread over the speakers."""
    held_out: bool = False
    """Use only utterances that no stage is trained on."""
    seed: int = 0
    """Seed of the choice of utterances and of the vocoders."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    out: Path | None = None
    """Folder for report.json and report.md, and for some audio and plots."""
    plots: int = 4
    """Save the audio and a plot of this many outputs of each vocoder."""
    force: bool = False
    """Overwrite an existing report."""
    judges: tyro.conf.OmitArgPrefixes[JudgeSettings] = JudgeSettings()

    def __post_init__(self) -> None:
        _check_limit("--limit", self.limit, 2)


@dataclass(frozen=True)
class CloningSettings:
    """Intelligibility and speaker similarity of cloned voices, beside those of natural speech."""

    command: ClassVar[str] = "cloning"

    references: tuple[Path, ...]
    """Reference clips, or folders of them. Each file is one voice, unless a metadata.csv names the speakers."""
    sentences: Path
    """Text file with one sentence per line: what is spoken, and the closed set that PocketSphinx chooses from."""
    out: Path
    """Folder for report.json and report.md, and for some audio and plots."""
    models: Path = DEFAULT_MODELS
    """Folder of the model files."""
    encoder: Path | None = None
    """Encoder model file to use instead of the folder's."""
    synthesizer: Path | None = None
    """Synthesizer model file to use instead of the folder's."""
    vocoder: tuple[str, ...] = ()
    """Family names, vocoder model files or label=FILE, all measured on the same mels. Default: the folder's vocoder."""
    natural: tuple[Path, ...] = ()
    """Transcribed corpora of natural speech. Both the recordings and their copy synthesis are measured."""
    natural_limit: int | None = None
    """Use at most this many natural utterances. Default: as many as there are sentences, for the same chance level."""
    limit: int | None = None
    """Generate at most this many outputs, spread over references and sentences."""
    clips: int = 1
    """Enrol each voice with its first clips, this many. Similarity is measured to other clips, four at most."""
    noise: Path | None = None
    """Folder of noises. With it the same clones are also made from references with held-out noise, with babble of
    other references, and with reverberation."""
    snr: tuple[float, ...] = (20.0, 10.0, 5.0, 0.0)
    """Ratios in dB of speech to noise or babble, and of direct to reverberant sound."""
    open_limit: int | None = None
    """Transcribe only this many outputs of each condition, which is the slowest part."""
    seed: int = 0
    """Seed of the whole evaluation."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    plots: int = 4
    """Save the audio and a plot of this many outputs of each condition."""
    force: bool = False
    """Overwrite an existing report."""
    judges: tyro.conf.OmitArgPrefixes[JudgeSettings] = JudgeSettings()

    def __post_init__(self) -> None:
        _check_limit("--limit", self.limit, 2)
        _check_limit("--natural-limit", self.natural_limit, 2)
        _check_limit("--open-limit", self.open_limit)
        _check_limit("--clips", self.clips)
        _check_ratios(self.snr)


@dataclass(frozen=True)
class ConversionSettings:
    """Speech to speech: recordings converted to the voices of other speakers of the corpora."""

    command: ClassVar[str] = "conversion"

    corpora: Corpora
    """Transcribed corpora, evaluated together: folders or lhotse manifests."""
    out: Path
    """Folder for report.json and report.md, and for some audio and plots."""
    models: Path = DEFAULT_MODELS
    """Folder of the models for speech to speech."""
    encoder: Path | None = None
    """Encoder model file to use instead of the folder's."""
    synthesizer: Path | None = None
    """Model file of a synthesizer with units to use instead of the folder's."""
    limit: int | None = 40
    """Convert at most this many recordings, spread over the speakers."""
    held_out: bool = False
    """Use only recordings that no stage is trained on."""
    keep_pitch: bool = False
    """Keep the pitch of the recordings instead of moving it to the median of the voice."""
    seed: int = 0
    """Seed of the choice of recordings and voices, and of the conversions."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    plots: int = 4
    """Save the audio of this many recordings and conversions."""
    force: bool = False
    """Overwrite an existing report."""
    judges: tyro.conf.OmitArgPrefixes[JudgeSettings] = JudgeSettings()

    def __post_init__(self) -> None:
        _check_limit("--limit", self.limit, 2)


Settings = EncoderSettings | VocoderSettings | CloningSettings | ConversionSettings


def _check_limit(name: str, value: int | None, least: int = 1) -> None:
    """Raises: ConfigError if a limit is too small to measure anything."""
    if value is not None and value < least:
        raise ConfigError(f"{name} must be at least {least}, not {value}.")


def _check_ratios(ratios: tuple[float, ...]) -> None:
    if any(not -30 <= ratio <= 60 for ratio in ratios):
        raise ConfigError("--snr must lie between -30 and 60 dB.")


def labelled(name: str) -> tuple[str, str]:
    """Label and file of "label=FILE"; the label of a plain FILE is its name without the suffix."""
    label, equals, file = name.partition("=")
    if equals and label and file and not Path(name).exists():
        return label, file
    return Path(name).stem, name


def as_json(settings: Settings) -> dict[str, Any]:
    """The settings as JSON values for a report. Paths are shortened to two parts, because a report may be published."""
    return {"command": settings.command, **{name: _plain(value) for name, value in vars(settings).items()}}


def _plain(value: Any) -> Any:
    if isinstance(value, JudgeSettings):
        return {name: _plain(item) for name, item in vars(value).items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str) and value.startswith(WHISPER):
        return WHISPER + _short(Path(value.removeprefix(WHISPER)))
    if isinstance(value, str) and "/" in value:  # FILE or label=FILE
        label, file = labelled(value)
        return f"{label}={_short(Path(file))}"
    return _short(value) if isinstance(value, Path) else value


def _short(path: Path) -> str:
    return "/".join(path.parts[-2:])
