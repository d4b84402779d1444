"""Errors that a user can cause, and the wrapper that turns them into one line on stderr.

A message is one or two sentences: what is wrong and what to do. Any other exception is a bug and keeps its traceback.
"""

import contextlib
import errno
import functools
import io
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec

P = ParamSpec("P")

EXIT_SPEECH_ERROR = 2
EXIT_BROKEN_PIPE = 1
EXIT_INTERRUPTED = 130  # 128 + SIGINT, the shell convention for an interrupted command

REFUSED_FILES = {errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP, errno.EROFS, errno.EIO, errno.EISDIR}


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
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return None
    where = f" while writing {error.filename}" if error.filename else ""
    return StorageError(f"The disk is full{where}: free some space and run the command again.")


def exit_on_speech_error(main: Callable[P, int | None]) -> Callable[P, int]:
    """Wrap a script's `main` so that a user's error ends in one line on stderr instead of a traceback.

    `SpeechError`, a full disk and a file that cannot be opened exit with 2, Ctrl-C with 130. If the reader of the
    output has closed its pipe (`... | head -1`), the exit code is 1 and nothing is printed. Any other exception passes
    through. Standard streams may be closed or of any encoding, and progress and messages that standard error does not
    take, because its disk is full or its reader has ended, are lost without an error.

    The wrapper returns the exit code of `main`, or 0 for None.
    """

    @functools.wraps(main)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> int:
        _prepare_streams()
        try:
            try:
                return main(*args, **kwargs) or 0
            finally:
                sys.stdout.flush()  # an error at interpreter exit would be printed as a traceback
        except SpeechError as error:
            return _fail(one_line(error))
        except KeyboardInterrupt:
            return _fail("", EXIT_INTERRUPTED)
        except BrokenPipeError:
            _discard_output()
            return EXIT_BROKEN_PIPE
        except OSError as error:
            message = disk_full_error(error) or _file_error(error)
            if message is None:
                raise
            _discard_output()
            return _fail(one_line(message))

    return guarded


def _fail(message: str, code: int = EXIT_SPEECH_ERROR) -> NoReturn:
    print(f"error: {message}" if message else "interrupted", file=sys.stderr)
    sys.exit(code)


def _file_error(error: OSError) -> StorageError | None:
    """The error to raise if the operating system refuses a file that the user named; None for any other `error`."""
    if error.errno not in REFUSED_FILES or not isinstance(error.filename, str | bytes | os.PathLike):
        return None
    name = os.fsdecode(error.filename)
    shown = name if len(name) <= 100 else f"{name[:60]}...{name[-37:]}"
    return StorageError(f"{shown} cannot be used ({error.strerror}): choose another file or folder.")


def _prepare_streams() -> None:
    """Replace closed standard streams by the null device, and let any text be printed in any encoding."""
    for descriptor in range(3):  # a file opened later must not get the number of a standard stream
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - lives as long as the process
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        raw = io.BufferedWriter(_LossyFile(sys.stderr.fileno(), "w", closefd=False))
        sys.stderr = io.TextIOWrapper(raw, sys.stderr.encoding, write_through=True, line_buffering=True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _LossyFile(io.FileIO):
    """A file that takes everything, and loses what cannot be written."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return memoryview(data).nbytes


def _discard_output() -> None:
    """Send buffered and later output nowhere."""
    with contextlib.suppress(OSError, ValueError):  # a stream without a descriptor, as in tests
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class WorkCancelled(Exception):
    """The caller's `cancelled` callback returned True; there is no result."""


def one_line(error: BaseException) -> str:
    """The error's message with white space collapsed, or its class name if it has no message."""
    return " ".join(str(error).split()) or type(error).__name__
