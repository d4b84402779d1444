"""Errors that a user can cause, and the wrapper that turns them into one line on stderr.

A message is one or two sentences: what is wrong and what to do. Any other exception is a bug and keeps its traceback.
"""

import errno
import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")

EXIT_SPEECH_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, the shell convention for an interrupted command


class SpeechError(Exception):
    """An error that the user can correct; `str(error)` is the message to show."""


class AudioError(SpeechError):
    """Audio that cannot be read, is empty, damaged, too long or not usable as speech."""


class TextError(SpeechError):
    """A text that cannot be synthesized."""


class ModelFileError(SpeechError):
    """A model file that is missing, damaged, or of the wrong stage or format version."""


class CorpusError(SpeechError):
    """A corpus or feature store that lacks data a stage needs."""


class StorageError(SpeechError):
    """A file that cannot be written: it exists already, the disk is full, the folder is missing or read-only."""


class ConfigError(SpeechError):
    """A setting that is out of range or unknown."""


class TrainingError(SpeechError):
    """A training run that cannot continue."""


def disk_full_error(error: OSError) -> StorageError | None:
    """The error to raise for a full disk or an exceeded quota; None for any other `error`."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    where = f" while writing {error.filename}" if error.filename else ""
    return StorageError(f"The disk is full{where}: free some space and run the command again.")


def exit_on_speech_error(main: Callable[P, int | None]) -> Callable[P, int]:
    """Wrap a script's `main` so that a user's error ends in one line on stderr instead of a traceback.

    `SpeechError` and a full disk exit with 2, Ctrl-C with 130. Any other exception passes through. The wrapper returns
    the exit code of `main`, or 0 for None.
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
            disk_full = disk_full_error(error)
            if disk_full is None:
                raise
            print(f"error: {one_line(disk_full)}", file=sys.stderr)
            sys.exit(EXIT_SPEECH_ERROR)

    return guarded


class WorkCancelled(Exception):
    """The caller's `cancelled` callback returned True; there is no result."""


def one_line(error: BaseException) -> str:
    """The error's message with white space collapsed, or its class name if it has no message."""
    return " ".join(str(error).split()) or type(error).__name__
