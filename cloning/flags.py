"""Flags of `demo_cli.py`, and the checks of them that need no model. Imports no PyTorch."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from cloning.options import DEFAULT_LOUDNESS, SpeechOptions
from speech.errors import AudioError, ConfigError
from vocoder.families import vocoder_names

DEFAULT_FOLDER = Path("out")
STANDARD_OUTPUT = "-"  # as the target of --stream


def _optional(kind: type, metavar: str, default: str = "", aliases: tuple[str, ...] = ()) -> tuple[Any, Any]:
    """Annotations of an optional flag. Any word after it is its value, even "None"."""
    spec: Any = tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda given: kind(given[0]),
        is_instance=lambda value: value is None or isinstance(value, kind),
        str_from_instance=lambda value: [str(value)],
    )
    return spec, tyro.conf.arg(help_behavior_hint=f"(default: {default})" if default else "", aliases=aliases)


@dataclass(frozen=True)
class Arguments:
    """Clone a voice: say a text with the voice of one or more reference clips."""

    references: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[REF ...]", help_behavior_hint="")
    ] = ()
    """Recordings of the voice (wav, flac, mp3, ogg, m4a, ...), ideally 10 s or more; several are averaged."""

    text: Annotated[str | None, *_optional(str, "TEXT")] = None
    """Text to speak. Without --text and --text-file, the program asks for sentences."""
    text_file: Annotated[Path | None, *_optional(Path, "FILE")] = None
    """Speak each line of this file (- for standard input) into a numbered file of --out-dir, with a manifest.json. The
    same command continues a batch that was interrupted. With --out, the whole file goes into one audio file."""
    out: Annotated[Path | None, *_optional(Path, "FILE", "out.wav")] = None
    """Output file of --text, --convert, a whole --text-file, or text piped in: .wav, .flac or .ogg."""
    out_dir: Annotated[Path | None, *_optional(Path, "DIR", "out")] = None
    """Output folder of several texts."""
    play: bool = False
    """Play the audio while it is generated. Files are then written only if --out or --out-dir is given."""
    stream: Annotated[str | None, *_optional(str, "FILE|-")] = None
    """Write the audio as a wav stream while it is generated: to a file, a named pipe, or - for standard output."""
    force: bool = False
    """Overwrite existing files."""
    seed: Annotated[int | None, *_optional(int, "N", "random, and printed")] = None
    """Random seed. The same seed gives the same samples."""
    speed: float = 1.0
    """Speaking rate, 0.5 to 2, at the same pitch. 0.8 is 20 % slower."""
    pauses: float = 1.0
    """Length of the pauses, 0 to 5. 2 doubles them, 0 removes them."""
    pitch_range: Annotated[float, tyro.conf.arg(aliases=("--expression",))] = 1.0
    """Scale of the pitch contour, 0 to 3. 2 doubles its range, 0 is monotone. (--expression is the old name.)"""
    loudness: Annotated[float, tyro.conf.arg(metavar="LUFS")] = DEFAULT_LOUDNESS
    """Loudness of every sentence in LUFS (ITU-R BS.1770), -40 to -14. Peaks stay below -1 dB."""
    watermark: bool = False
    """Add an inaudible watermark, or write nothing. Needs the package resemble-perth."""
    lexicon: Annotated[Path | None, *_optional(Path, "FILE")] = None
    """Pronunciations that override the dictionary: a .csv with a word and its ARPABET phonemes per line."""

    models: Annotated[Path | None, *_optional(Path, "DIR", "models/default")] = None
    """Folder of the model files, or the name of fetched models (python -m modelfile.fetch rtvc)."""
    encoder: Annotated[Path | None, *_optional(Path, "FILE")] = None
    """Encoder checkpoint to use instead of the one in --models."""
    synthesizer: Annotated[Path | None, *_optional(Path, "FILE")] = None
    """Synthesizer checkpoint to use instead of the one in --models."""
    vocoder: Annotated[str | None, *_optional(str, "|".join((*vocoder_names(), "FILE")))] = None
    """Vocoder to use instead of the default of --models: a family by name, or a checkpoint."""
    convert_checkpoints: bool = False
    """Convert PyTorch checkpoints of public models (.pt) that are given, or are in --models, to model files first."""
    griffin_lim: bool = False
    """Short for --vocoder griffin-lim."""
    device: Annotated[str, *_optional(str, "NAME", "auto")] = "auto"
    """Device to compute on: auto, cpu, cuda, cuda:1 or mps."""
    threads: int = 1
    """CPU threads. With more than 1 long texts may take less time, and the samples of a seed differ in rounding."""
    jobs: int = 1
    """Processes that speak lines of --text-file at once. Each has its own models in memory; the files are the same."""

    convert: Annotated[Path | None, *_optional(Path, "SPEECH")] = None
    """Convert this recording to the voice, with its words, timing and melody, instead of speaking a text. Needs a model
    for speech to speech in --models (docs/vits.md)."""
    keep_pitch: bool = False
    """With --convert: keep the pitch of the recording instead of moving it to the median of the voice."""
    units: Annotated[Path | None, *_optional(Path, "FILE", "units.safetensors beside the model")] = None
    """With --convert: unit encoder that the model was trained with."""

    voice: Annotated[str | None, *_optional(str, "NAME")] = None
    """Name of a saved voice to use instead of reference clips."""
    save_voice: Annotated[str | None, *_optional(str, "NAME")] = None
    """Save the voice of the reference clips under this name."""
    adapt: bool = False
    """Adapt the synthesizer to the voice first, with a minute or more of reference clips. Takes two to three minutes.
    With --save-voice the adaptation is kept with the voice."""
    consent: Annotated[str, *_optional(str, "TEXT")] = ""
    """Whose voice the reference clips are of and who gave consent. Kept with a saved voice and in the audio files."""
    require_consent: bool = False
    """Refuse voices without a consent note."""
    voices: Annotated[Path | None, *_optional(Path, "DIR", "this user's data folder")] = None
    """Folder of the saved voices."""


def writes_files(arguments: Arguments) -> bool:
    """Whether files are written: if asked for, or if the audio is neither played nor streamed."""
    given = arguments
    return given.out is not None or given.out_dir is not None or not (given.play or given.stream is not None)


def check_flags(arguments: Arguments) -> None:
    """Raises: ConfigError for flags that contradict each other, AudioError for a missing clip."""
    given = arguments
    troubles = [
        (given.references and given.voice is not None, "Give reference clips or --voice, not both."),
        (not given.references and given.voice is None, "Give a reference clip, or a saved voice with --voice."),
        (given.save_voice is not None and given.voice is not None, "--save-voice saves the voice of reference clips."),
        (given.adapt and not given.references, "--adapt needs reference clips: give a minute or more of the voice."),
        (
            given.consent and given.voice is not None,
            "--consent is for reference clips: a saved voice has its note.",
        ),
        (
            given.require_consent and given.references and not given.consent.strip(),
            "--require-consent needs a note: say with --consent whose voice it is and who gave consent.",
        ),
        (given.text is not None and given.text_file is not None, "Give --text or --text-file, not both."),
        (
            given.out is not None
            and given.text is None
            and given.text_file is None
            and given.convert is None
            and sys.stdin.isatty(),
            "--out takes one text: give --text, --text-file or text through a pipe, or --out-dir for several.",
        ),
        (given.out is not None and given.out_dir is not None, "Give --out or --out-dir, not both."),
        (given.jobs < 1, f"--jobs must be at least 1, not {given.jobs}."),
        (
            given.jobs > 1 and (given.text_file is None or given.out is not None or given.play or bool(given.stream)),
            "--jobs is for a --text-file that is written into --out-dir, without --play and --stream.",
        ),
        (
            given.griffin_lim and given.vocoder not in (None, "griffin-lim"),
            "Give --griffin-lim or --vocoder, not both.",
        ),
    ]
    for wrong, sentence in [*troubles, *_conversion_troubles(given)]:
        if wrong:
            raise ConfigError(sentence)
    for reference in given.references:
        if not reference.exists():
            raise AudioError(f"There is no file {reference}: check the path of the reference clip.")


def _conversion_troubles(given: Arguments) -> list[tuple[bool, str]]:
    """What contradicts --convert, or needs it: whether it is given, and a sentence."""
    if given.convert is None:
        return [
            (given.keep_pitch, "--keep-pitch is for --convert: give a recording to convert."),
            (given.units is not None, "--units is for --convert: give a recording to convert."),
        ]
    text = given.text is not None or given.text_file is not None
    vocoder = given.vocoder is not None or given.griffin_lim
    return [
        (text, "Give a text or --convert, not both."),
        (given.out_dir is not None, "--convert writes one file: give --out instead of --out-dir."),
        (given.adapt, "--adapt is for texts: a model for speech to speech cannot be adapted."),
        (vocoder, "A model for speech to speech generates audio itself: leave out the vocoder."),
        (given.jobs > 1, "--jobs is for a --text-file that is written into --out-dir, without --play and --stream."),
        (given.lexicon is not None, "--lexicon is for texts: a conversion keeps the words of the recording."),
        (given.speed != 1 or given.pauses != 1, "--speed and --pauses are for texts: a conversion keeps the timing."),
    ]


def read_options(arguments: Arguments) -> SpeechOptions:
    """Raises: ConfigError for a value out of range, TextError if the lexicon is missing or wrong."""
    lexicon = None
    if arguments.lexicon is not None:
        from synthesizer.text.lexicon import read_lexicon

        lexicon = read_lexicon(arguments.lexicon)
    return SpeechOptions(
        seed=arguments.seed,
        speed=arguments.speed,
        pauses=arguments.pauses,
        pitch_range=arguments.pitch_range,
        loudness=arguments.loudness,
        lexicon=lexicon,
        watermark=arguments.watermark,
    )
