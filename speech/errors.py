"""The one family of errors that a person can cause, and the wrapper that shows them to that person.

Each message is one sentence or two: what is wrong, and what to do about it. Anything that is not a `SpeechError` is a
defect of ours and keeps its traceback.
"""

import errno
import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")

EXIT_SPEECH_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, what a shell expects of an interrupted command


class SpeechError(Exception):
    """Something a person can put right; `str(error)` is the sentence to show."""


class AudioError(SpeechError):
    """A sound that cannot be read, is empty, broken, too long or not usable as speech."""


class TextError(SpeechError):
    """A text that cannot be spoken."""


class ModelFileError(SpeechError):
    """A model file that is missing, damaged, of another stage or of another format version."""


class CorpusError(SpeechError):
    """A corpus or feature store without what a stage needs."""


class StorageError(SpeechError):
    """A file that cannot be written: it exists already, the disk is full, the folder is missing or read-only."""


class ConfigError(SpeechError):
    """A setting that is out of range or does not exist."""


class TrainingError(SpeechError):
    """A training run that cannot go on."""


def disk_full_error(error: OSError) -> StorageError | None:
    """The sentence for a full disk or an exhausted quota, or None where `error` is something else."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    place = f" while writing {error.filename}" if error.filename else ""
    return StorageError(f"The disk is full{place}: free some space and run the command again.")


def exit_on_speech_error(main: Callable[P, int | None]) -> Callable[P, int]:
    """Wrap a script's `main` so that what a person caused ends in one line on stderr instead of a traceback.

    `SpeechError` and a full disk exit with 2, Ctrl-C with 130; every other exception passes through. What `main`
    returns is returned, None as 0.
    """

    @functools.wraps(main)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return main(*args, **kwargs) or 0
        except SpeechError as error:
            print(f"error: {one_line(error)}", file=sys.stderr)
            sys.exit(EXIT_SPEECH_ERROR)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(EXIT_INTERRUPTED)
        except OSError as error:
            sentence = disk_full_error(error)
            if sentence is None:
                raise
            print(f"error: {one_line(sentence)}", file=sys.stderr)
            sys.exit(EXIT_SPEECH_ERROR)

    return guarded


class WorkCancelled(Exception):
    """The caller's `cancelled` callback returned True; there is no result."""


def one_line(error: BaseException) -> str:
    """The error's message with line breaks folded, or its class name where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
