"""Clone a voice from the command line.

    python demo_cli.py me.wav --text "Good morning." --out morning.wav
    python demo_cli.py a.wav b.wav --text-file lines.txt --out-dir out --seed 1
    python demo_cli.py a.wav b.wav --save-voice ann --consent "Ann, by letter, 3 May"
    python demo_cli.py --voice ann --play
    python demo_cli.py --voice ann --text "Good morning." --stream - | aplay
    python demo_cli.py --voice ann --convert said.wav --out ann.wav

Without a text it asks for one sentence after another, until the end of input or "quit".
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import tyro

from cloning.batch import speak_batch
from cloning.flags import DEFAULT_FOLDER, STANDARD_OUTPUT, Arguments, check_flags, read_options, writes_files
from cloning.narration import Narrator, converse, speakable
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
from speech.errors import StorageError, exit_on_speech_error

if TYPE_CHECKING:
    from cloning import ModelFiles, SpeechOptions, Voice, VoiceCloner
    from cloning.playback import Sinks
    from cloning.source_speech import SourceSpeech
    from speech.quality import Remark


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
    converts = arguments.convert is not None
    jobs = plan(arguments, options) if not converts else None
    result = conversion_path(arguments) if converts else None

    from cloning import VoiceCloner, VoiceLibrary

    library = VoiceLibrary(arguments.voices, arguments.require_consent)
    if arguments.save_voice is not None and arguments.save_voice in library and not arguments.force:
        raise StorageError(f"There is a voice {arguments.save_voice!r} already: choose another name, or give --force.")
    saved = library.load(arguments.voice) if arguments.voice is not None else None
    files = find_models(arguments)
    speech = read_speech(arguments)
    cloner = VoiceCloner.load(files, device=arguments.device, threads=arguments.threads, library=library)
    voice = saved or cloner.enroll(arguments.references, arguments.save_voice or "", arguments.consent, _warn)
    if arguments.adapt:
        voice = adapt(cloner, voice, arguments.references)
    if arguments.save_voice is not None:
        print(f"voice saved as {library.save(voice, overwrite=arguments.force)}")

    tags = Provenance.of(voice, cloner.model.digests, source="" if speech is None else speech.name).tags()
    with open_sinks(arguments, cloner.sample_rate, pipe, tags) as sinks:
        if speech is not None:
            from cloning.conversion_output import ConversionRequest, convert_recording

            request = ConversionRequest(speech, voice, options, arguments.keep_pitch, result, arguments.force)
            convert_recording(cloner, request, sinks)
            return
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


def find_models(arguments: Arguments) -> ModelFiles:
    """The model files of the flags; public checkpoints are converted first, if that was asked for.

    Raises:
        ModelFileError: a file is missing, or the models cannot convert speech and --convert is given.
    """
    from cloning import DEFAULT_MODELS, ModelFiles
    from modelfile.convert import convert_folder, model_file
    from modelfile.public import is_public_checkpoint

    if arguments.models is not None:
        convert_folder(arguments.models, arguments.convert_checkpoints)
    encoder, synthesizer, vocoder = (
        model_file(choice, arguments.convert_checkpoints) if choice and is_public_checkpoint(choice) else choice
        for choice in (arguments.encoder, arguments.synthesizer, arguments.vocoder)
    )
    folder = arguments.models or DEFAULT_MODELS
    if arguments.convert is not None:
        return ModelFiles.find_conversion(folder, encoder=encoder, synthesizer=synthesizer, units=arguments.units)
    vocoder = "griffin-lim" if arguments.griffin_lim else vocoder
    return ModelFiles.find(folder, encoder=encoder, synthesizer=synthesizer, vocoder=vocoder)


def read_speech(arguments: Arguments) -> SourceSpeech | None:
    """The recording of --convert, None without it. Raises: AudioError."""
    if arguments.convert is None:
        return None
    from cloning.source_speech import SourceSpeech

    return SourceSpeech.read(arguments.convert)


def conversion_path(arguments: Arguments) -> Path | None:
    """The file that --convert writes, if any. Raises: StorageError if it cannot be written."""
    if not writes_files(arguments) or arguments.convert is None:
        return None
    from cloning.conversion_output import check_conversion_target

    path = arguments.out or Path("out.wav")
    check_conversion_target(path, arguments.convert, arguments.references, arguments.force)
    return path


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
