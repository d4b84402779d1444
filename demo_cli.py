"""Clone a voice from the command line.

    python demo_cli.py me.wav --text "Good morning." --out morning.wav
    python demo_cli.py a.wav b.wav --text-file lines.txt --out-dir out --seed 1
    python demo_cli.py a.wav b.wav --save-voice ann --consent "Ann, by letter, 3 May"
    python demo_cli.py --voice ann --play
    python demo_cli.py --voice ann --text "Good morning." --stream - | aplay

Without a text it asks for one sentence after another, until the end of input or "quit".
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import tyro

from cloning.batch import speak_batch
from cloning.narration import Narrator, converse, speakable
from cloning.options import DEFAULT_LOUDNESS, SpeechOptions
from cloning.provenance import Provenance
from cloning.targets import (
    STANDARD_INPUT,
    check_batch,
    check_folder,
    check_target,
    numbered_paths,
    read_text,
    read_text_lines,
)
from speech.errors import AudioError, ConfigError, StorageError, exit_on_speech_error
from vocoder.families import vocoder_names

if TYPE_CHECKING:
    from cloning import Voice, VoiceCloner
    from cloning.playback import Sinks
    from speech.quality import Remark

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
    """Output file of --text, of a whole --text-file, or of text piped in: .wav, .flac or .ogg."""
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


@exit_on_speech_error
def main(argv: Sequence[str] | None = None) -> None:
    arguments = tyro.cli(Arguments, args=argv, description=__doc__, config=(tyro.conf.FlagCreatePairsOff,))
    _log_to_stderr()
    pipe = sys.stdout
    # messages must not be mixed into audio on standard output
    with contextlib.redirect_stdout(sys.stderr if arguments.stream == STANDARD_OUTPUT else pipe):
        run(arguments, pipe)


def run(arguments: Arguments, pipe: TextIO) -> None:
    """Check everything that can be checked before models are loaded, then speak.

    Args:
        pipe: standard output, for --stream.
    """
    check_flags(arguments)
    check_sinks(arguments, pipe)
    options = read_options(arguments)
    if options.watermark:
        from cloning.watermark import require_weights

        require_weights()
    jobs = plan(arguments, options)

    from cloning import DEFAULT_MODELS, ModelFiles, VoiceCloner, VoiceLibrary
    from modelfile.convert import convert_folder, model_file
    from modelfile.public import is_public_checkpoint

    library = VoiceLibrary(arguments.voices, arguments.require_consent)
    if arguments.save_voice is not None and arguments.save_voice in library and not arguments.force:
        raise StorageError(f"There is a voice {arguments.save_voice!r} already: choose another name, or give --force.")
    saved = library.load(arguments.voice) if arguments.voice is not None else None
    if arguments.models is not None:
        convert_folder(arguments.models, arguments.convert_checkpoints)
    encoder, synthesizer, vocoder = (
        model_file(choice, arguments.convert_checkpoints) if choice and is_public_checkpoint(choice) else choice
        for choice in (arguments.encoder, arguments.synthesizer, arguments.vocoder)
    )
    files = ModelFiles.find(
        arguments.models or DEFAULT_MODELS,
        encoder=encoder,
        synthesizer=synthesizer,
        vocoder="griffin-lim" if arguments.griffin_lim else vocoder,
    )
    cloner = VoiceCloner.load(files, device=arguments.device, threads=arguments.threads, library=library)
    voice = saved or cloner.enroll(arguments.references, arguments.save_voice or "", arguments.consent, _warn)
    if arguments.adapt:
        voice = adapt(cloner, voice, arguments.references)
    if arguments.save_voice is not None:
        print(f"voice saved as {library.save(voice, overwrite=arguments.force)}")

    tags = Provenance.of(voice, cloner.model.digests).tags()
    with open_sinks(arguments, cloner.sample_rate, pipe, tags) as sinks:
        cloner.warm_up()  # compiling is no part of the real-time factor
        if arguments.jobs > 1:
            from cloning.parallel import Models, ParallelNarrator

            models = Models(files, arguments.device, arguments.threads)
            narrator: Narrator = ParallelNarrator(cloner, voice, options, models, arguments.jobs)
        else:
            narrator = Narrator(cloner, voice, options, sinks)
        if jobs is None:
            converse(narrator, arguments.out_dir or (DEFAULT_FOLDER if writes_files(arguments) else None))
        elif arguments.out_dir is None and (arguments.text_file is None or arguments.out is not None):
            narrator.speak(*jobs[0], overwrite=arguments.force)
        else:
            speak_batch(narrator, jobs, files, arguments.force)
        if narrator.speech_seconds:
            print(narrator.summary())


def adapt(cloner: VoiceCloner, voice: Voice, references: Sequence[Path]) -> Voice:
    """Adapt the models to the voice of the clips, with a progress bar.

    Raises:
        CorpusError: the clips are too short. ConfigError: the synthesizer cannot be adapted.
    """
    from tqdm import tqdm

    from cloning.monitor import Monitor

    with tqdm(desc="adapting", unit="step", disable=None) as bar:

        def show(_: str, done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return cloner.adapt(voice, references, monitor=Monitor(progress=show))


# --- where the audio goes ---------------------------------------------------------------------------------------------


def writes_files(arguments: Arguments) -> bool:
    """Whether files are written: if asked for, or if the audio is neither played nor streamed."""
    given = arguments
    return given.out is not None or given.out_dir is not None or not (given.play or given.stream is not None)


def check_sinks(arguments: Arguments, pipe: TextIO) -> None:
    """Raises: StorageError for a bad stream target, PlaybackError if nothing but playback is asked for and it fails."""
    if arguments.stream is not None:
        from cloning.wav_stream import check_stream_target

        check_stream_target(arguments.stream, pipe.isatty(), arguments.force)
    if arguments.play and arguments.stream is None and not writes_files(arguments):
        from cloning.playback import load_audio_library

        load_audio_library()


def open_sinks(arguments: Arguments, sample_rate: int, pipe: TextIO, tags: Mapping[str, str]) -> Sinks:
    """Raises: as `check_sinks`. A missing sound card is only a warning if the audio also goes elsewhere."""
    from cloning.playback import PlaybackError, Sinks, SoundCard
    from cloning.wav_stream import WavStream

    sinks = Sinks(sample_rate)
    if arguments.play:
        try:
            sinks.add(SoundCard(sample_rate))
        except PlaybackError as error:
            if arguments.stream is None and not writes_files(arguments):
                raise
            print(f"warning: {error} The other outputs are written.", file=sys.stderr)
    if arguments.stream is not None:
        target = pipe.buffer if arguments.stream == STANDARD_OUTPUT else Path(arguments.stream)
        sinks.add(WavStream(target, sample_rate, tags))
    return sinks


# --- checks before any work -------------------------------------------------------------------------------------------


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
            given.out is not None and given.text is None and given.text_file is None and sys.stdin.isatty(),
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
    for wrong, sentence in troubles:
        if wrong:
            raise ConfigError(sentence)
    for reference in given.references:
        if not reference.exists():
            raise AudioError(f"There is no file {reference}: check the path of the reference clip.")


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


def plan(arguments: Arguments, options: SpeechOptions) -> list[tuple[str, Path | None]] | None:
    """The texts and the files they are written to, if any; None to ask for sentences.

    Raises:
        TextError: the text is empty, or the text file cannot be read.
        StorageError: a file exists already, or the folder is missing or cannot be written to.
    """
    folder = arguments.out_dir or DEFAULT_FOLDER
    if arguments.text is None and arguments.text_file is None and arguments.out is None:
        if writes_files(arguments):
            check_folder(folder)
        return None
    if arguments.text is None and arguments.out is not None:
        texts = [speakable(read_text(arguments.text_file or STANDARD_INPUT), "The text", options.lexicon)]
    elif arguments.text_file is not None:
        texts = read_text_lines(arguments.text_file, options.lexicon)
    else:
        texts = [speakable(arguments.text or "", "The text", options.lexicon)]
    if not writes_files(arguments):
        return [(text, None) for text in texts]
    if arguments.out is not None or (arguments.text_file is None and arguments.out_dir is None):
        out = arguments.out or Path("out.wav")
        check_target(out, arguments.references, arguments.force)
        check_folder(out.parent, may_be_made=False)
        return [(texts[0], out)]
    jobs = [*zip(texts, numbered_paths(folder, len(texts)), strict=True)]
    check_batch(jobs, arguments.references, arguments.force)
    return [*jobs]


class _Prefixed(logging.Formatter):
    """Prefixes messages with their level: "warning: ...", "note: ..." for information."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{'note' if record.levelno < logging.WARNING else record.levelname.lower()}: {super().format(record)}"


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Prefixed())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("kernels.machine_code").setLevel(logging.INFO)  # announces that it compiles


def _warn(source: str, remark: Remark) -> None:
    print(f"warning: {source}: {remark.sentence}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
