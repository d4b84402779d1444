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
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import tyro

from cloning.narration import MANIFEST, Manner, Speaker, converse, say_all, speakable
from speech.errors import AudioError, ConfigError, StorageError, TextError, exit_on_speech_error

if TYPE_CHECKING:
    from cloning.playback import Outlets
    from speech.quality import Remark
    from synthesizer.text.lexicon import Lexicon

DEFAULT_FOLDER = Path("out")
STANDARD_OUTPUT = "-"  # as the target of --stream


def _optional(kind: type, metavar: str, default: str = "") -> tuple[Any, Any]:
    """Annotations of a flag that may be left away: whatever follows it is its value, be it the word "None"."""
    spec: Any = tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda given: kind(given[0]),
        is_instance=lambda value: value is None or isinstance(value, kind),
        str_from_instance=lambda value: [str(value)],
    )
    return spec, tyro.conf.arg(help_behavior_hint=f"(default: {default})" if default else "")


@dataclass(frozen=True)
class Arguments:
    """Clone a voice: say a text with the voice of one or more reference clips."""

    references: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[REF ...]", help_behavior_hint="")
    ] = ()
    """Recordings of the voice (wav, flac, mp3, ogg, m4a, ...), best ten seconds or more; several are averaged."""

    text: Annotated[str | None, *_optional(str, "TEXT")] = None
    """What to say. Without it and without --text-file, sentences are asked for."""
    text_file: Annotated[Path | None, *_optional(Path, "FILE")] = None
    """Say every line of this file, each into a numbered file of --out-dir, with a manifest.json beside them."""
    out: Annotated[Path | None, *_optional(Path, "FILE", "out.wav")] = None
    """Where --text goes: a .wav, .flac or .ogg file."""
    out_dir: Annotated[Path | None, *_optional(Path, "DIR", "out")] = None
    """Where several texts go."""
    play: bool = False
    """Let it be heard while it is being made. Files are then written only where --out or --out-dir asks for them."""
    stream: Annotated[str | None, *_optional(str, "FILE|-")] = None
    """The same as a growing wav: a file, a named pipe, or - for standard output (messages then go to stderr)."""
    force: bool = False
    """Overwrite what is there."""
    seed: Annotated[int | None, *_optional(int, "N", "drawn anew, and shown")] = None
    """Makes the result repeatable to the sample."""
    speed: float = 1.0
    """0.5 to 2: 0.8 speaks a fifth slower, 1.5 half as fast again, at the same pitch."""
    pauses: float = 1.0
    """0 to 5: 2 makes the pauses twice as long, 0 leaves them out."""
    pitch_range: float = 1.0
    """0 to 3: 2 lets the voice go up and down twice as far, 0 speaks on one note."""
    lexicon: Annotated[Path | None, *_optional(Path, "FILE")] = None
    """How words are pronounced, before any dictionary: a .csv with a word and its ARPABET phonemes a line."""

    models: Annotated[Path | None, *_optional(Path, "DIR", "models/default")] = None
    """Folder of the model files."""
    encoder: Annotated[Path | None, *_optional(Path, "FILE")] = None
    """Another encoder than the folder's."""
    synthesizer: Annotated[Path | None, *_optional(Path, "FILE")] = None
    """Another synthesizer than the folder's."""
    vocoder: Annotated[str | None, *_optional(str, "wavernn|spectral|griffin-lim|FILE")] = None
    """Another vocoder than the folder's usual one: one of its others by name, or a file."""
    griffin_lim: bool = False
    """Short for --vocoder griffin-lim."""
    device: Annotated[str, *_optional(str, "NAME", "auto")] = "auto"
    """auto, cpu, cuda, cuda:1, mps."""

    voice: Annotated[str | None, *_optional(str, "NAME")] = None
    """Speak with a saved voice, in place of reference clips."""
    save_voice: Annotated[str | None, *_optional(str, "NAME")] = None
    """Keep the voice of the reference clips under this name."""
    consent: Annotated[str, *_optional(str, "TEXT")] = ""
    """With --save-voice: whose voice it is, and who allowed its use."""
    voices: Annotated[Path | None, *_optional(Path, "DIR", "this user's data folder")] = None
    """Folder of the saved voices."""


@exit_on_speech_error
def main(argv: Sequence[str] | None = None) -> int:
    arguments = tyro.cli(Arguments, args=argv, description=__doc__, config=(tyro.conf.FlagCreatePairsOff,))
    _log_to_stderr()
    pipe = sys.stdout
    try:
        # what is streamed to standard output must not be mixed with messages
        with contextlib.redirect_stdout(sys.stderr if arguments.stream == STANDARD_OUTPUT else pipe):
            run(arguments, pipe)
    except BrokenPipeError:  # whoever read the output has left: nobody to tell
        return 1
    finally:
        _flush_output()
    return 0


def run(arguments: Arguments, pipe: TextIO) -> None:
    """Whatever can be refused is refused before anything heavy is imported, loaded or computed.

    Args:
        pipe: standard output, for --stream.
    """
    check_flags(arguments)
    check_outlets(arguments, pipe)
    manner = Manner(arguments.speed, arguments.pauses, read_words(arguments.lexicon), arguments.pitch_range)
    jobs = plan(arguments, manner.lexicon)

    from cloning import DEFAULT_MODELS, ModelFiles, VoiceCloner, VoiceLibrary

    library = VoiceLibrary(arguments.voices)
    if arguments.save_voice is not None and arguments.save_voice in library and not arguments.force:
        raise StorageError(f"There is a voice {arguments.save_voice!r} already: choose another name, or give --force.")
    saved = library.load(arguments.voice) if arguments.voice is not None else None
    files = ModelFiles.find(
        arguments.models or DEFAULT_MODELS,
        encoder=arguments.encoder,
        synthesizer=arguments.synthesizer,
        vocoder="griffin-lim" if arguments.griffin_lim else arguments.vocoder,
    )
    cloner = VoiceCloner.load(files, device=arguments.device)
    voice = saved or cloner.enroll(arguments.references, arguments.save_voice or "", arguments.consent, _warn)
    if arguments.save_voice is not None:
        print(f"voice saved as {library.save(voice, overwrite=arguments.force)}")

    with open_outlets(arguments, cloner.sample_rate, pipe) as outlets:
        if outlets:
            cloner.warm_up()
        speaker = Speaker(cloner, voice, arguments.seed, outlets, manner)
        if jobs is None:
            converse(speaker, arguments.out_dir or (DEFAULT_FOLDER if writes_files(arguments) else None))
        elif arguments.out_dir is None and arguments.text_file is None:
            speaker.say(*jobs[0], overwrite=arguments.force)
        else:
            say_all(speaker, jobs, arguments.force)
        if speaker.speech_seconds:
            print(speaker.summary())


# --- where the sound goes ---------------------------------------------------------------------------------------------


def writes_files(arguments: Arguments) -> bool:
    """Whether finished files are asked for; they are the only way out unless the sound goes elsewhere."""
    given = arguments
    return given.out is not None or given.out_dir is not None or not (given.play or given.stream is not None)


def check_outlets(arguments: Arguments, pipe: TextIO) -> None:
    """Raises: StorageError for a stream that cannot be, PlaybackError if only playing is asked for and it cannot be."""
    if arguments.stream is not None:
        from cloning.playback import check_stream_target

        check_stream_target(arguments.stream, pipe.isatty(), arguments.force)
    if arguments.play and arguments.stream is None and not writes_files(arguments):
        from cloning.playback import load_sound_library

        load_sound_library()


def open_outlets(arguments: Arguments, sample_rate: int, pipe: TextIO) -> Outlets:
    """Raises: as `check_outlets`; where something else is asked for, a sound card that is missing is only told of."""
    from cloning.playback import Outlets, PlaybackError, SoundCard, WavStream

    outlets = Outlets(sample_rate)
    if arguments.play:
        try:
            outlets.add(SoundCard(sample_rate))
        except PlaybackError as error:
            if arguments.stream is None and not writes_files(arguments):
                raise
            print(f"warning: {error} What else was asked for is done anyway.", file=sys.stderr)
    if arguments.stream is not None:
        target = pipe.buffer if arguments.stream == STANDARD_OUTPUT else Path(arguments.stream)
        outlets.add(WavStream(target, sample_rate))
    return outlets


# --- what can be refused at once --------------------------------------------------------------------------------------


def check_flags(arguments: Arguments) -> None:
    """Raises: ConfigError for flags that contradict each other or are out of range, AudioError for a missing clip."""
    from synthesizer.options import SynthesisOptions

    given = arguments
    troubles = [
        (given.references and given.voice is not None, "Give reference clips or --voice, not both."),
        (not given.references and given.voice is None, "Give a reference clip, or a saved voice with --voice."),
        (given.save_voice is not None and given.voice is not None, "--save-voice saves the voice of reference clips."),
        (given.consent and given.save_voice is None, "--consent is kept with a voice: give --save-voice too."),
        (given.text is not None and given.text_file is not None, "Give --text or --text-file, not both."),
        (given.out is not None and given.text is None, "--out takes one text: give --text, or --out-dir for several."),
        (given.out is not None and given.out_dir is not None, "Give --out or --out-dir, not both."),
        (
            given.griffin_lim and given.vocoder not in (None, "griffin-lim"),
            "Give --griffin-lim or --vocoder, not both.",
        ),
        (given.seed is not None and not 0 <= given.seed < 2**63, "--seed must lie between 0 and 2^63 - 1."),
    ]
    for wrong, sentence in troubles:
        if wrong:
            raise ConfigError(sentence)
    SynthesisOptions(speed=given.speed, pauses=given.pauses, pitch_range=given.pitch_range)
    for reference in given.references:
        if not reference.exists():
            raise AudioError(f"There is no file {reference}: check the path of the reference clip.")


def read_words(path: Path | None) -> Lexicon | None:
    """Raises: TextError if the lexicon is missing or wrong."""
    if path is None:
        return None
    from synthesizer.text.lexicon import read_lexicon

    return read_lexicon(path)


def plan(arguments: Arguments, lexicon: Lexicon | None = None) -> list[tuple[str, Path | None]] | None:
    """What to say and where to write it, if anywhere; None to ask for sentences.

    Raises:
        TextError: there is nothing to say, or the text file cannot be read.
        StorageError: something is in the way, or the folder is missing or cannot be written.
    """
    folder = arguments.out_dir or DEFAULT_FOLDER
    if arguments.text is None and arguments.text_file is None:
        if writes_files(arguments):
            check_folder(folder)
        return None
    if arguments.text_file is not None:
        texts = read_lines(arguments.text_file, lexicon)
    else:
        texts = [speakable(arguments.text or "", "The text", lexicon)]
    if not writes_files(arguments):
        return [(text, None) for text in texts]
    if arguments.text_file is None and arguments.out_dir is None:
        out = arguments.out or Path("out.wav")
        check_target(out, arguments)
        check_folder(out.parent, may_be_made=False)
        return [(texts[0], out)]
    digits = max(3, len(str(len(texts))))
    jobs = [(text, folder / f"{number:0{digits}}.wav") for number, text in enumerate(texts, start=1)]
    check_folder(folder)
    for path in [path for _, path in jobs] + [folder / MANIFEST]:
        check_target(path, arguments)
    return [*jobs]


def read_lines(path: Path, lexicon: Lexicon | None = None) -> list[str]:
    """The lines of a text file that say something. Raises: TextError naming the file, and the line if it is one."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise TextError(f"There is no text file {path}: check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TextError(f"{path} is not a text file that can be read: save it as UTF-8 text.") from error
    texts = [speakable(line, f"{path}, line {number}", lexicon) for number, line in enumerate(lines, 1) if line.strip()]
    if not texts:
        raise TextError(f"{path} is empty: write one sentence a line.")
    return texts


def check_target(path: Path, arguments: Arguments) -> None:
    """Raises: StorageError if the file must not be written: wrong suffix, there already, a device, a reference clip."""
    from speech.audio import OUTPUT_FORMATS

    if path.name != MANIFEST and path.suffix.lower() not in OUTPUT_FORMATS:
        raise StorageError(f"{path} must end in {', '.join(OUTPUT_FORMATS)}: the suffix says in what format to write.")
    if not path.exists():
        return
    if not path.is_file():
        raise StorageError(f"{path} is not an ordinary file, so it is not written over: choose another name.")
    if any(path.samefile(reference) for reference in arguments.references):
        raise StorageError(f"{path} is a reference clip: choose another name for the result.")
    if not arguments.force:
        raise StorageError(f"{path} exists already: choose another name, or give --force to overwrite it.")


def check_folder(folder: Path, may_be_made: bool = True) -> None:
    """Raises: StorageError if files cannot be made in a folder, or the folder itself where it is missing."""
    existing = folder
    if may_be_made and not folder.exists():
        existing = folder.parent
    if not existing.is_dir():
        raise StorageError(f"There is no folder {existing}: make it first, or choose another place.")
    try:
        with tempfile.TemporaryFile(dir=existing) as file:  # asking for permissions says nothing of a read-only disk
            file.write(b"0")
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(
            f"Nothing can be written to the folder {existing} ({reason}): choose another one."
        ) from error


class _Prefixed(logging.Formatter):
    """Messages as a person reads them: "warning: ...", and "note: ..." for what is only told."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{'note' if record.levelno < logging.WARNING else record.levelname.lower()}: {super().format(record)}"


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Prefixed())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for tells_that_it_compiles in (
        "kernels.machine_code",
        "vocoder.wavernn.engine",
        "synthesizer.tacotron.fast_decoder",
    ):
        logging.getLogger(tells_that_it_compiles).setLevel(logging.INFO)


def _warn(source: str, remark: Remark) -> None:
    print(f"warning: {source}: {remark.sentence}", file=sys.stderr)


def _flush_output() -> None:
    """Find out now whether what was printed could be written; at the interpreter's end it is too late to say so."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # who stopped reading needs no error
            raise


if __name__ == "__main__":
    sys.exit(main())
