"""A user's error ends in one line and exit code 2; a bug keeps its traceback."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from speech import errors
from speech.errors import AudioError, SpeechError, exit_on_speech_error


@pytest.mark.parametrize(
    "name",
    ["AudioError", "TextError", "ModelFileError", "CorpusError", "StorageError", "ConfigError", "TrainingError"],
)
def test_every_error_is_a_speech_error(name):
    assert issubclass(getattr(errors, name), SpeechError)


def raising(error):
    @exit_on_speech_error
    def main():
        raise error

    return main


def test_speech_error_becomes_one_line_and_exit_code_two(capsys):
    with pytest.raises(SystemExit) as exit_:
        raising(AudioError("The clip is silent:\n  record it again."))()
    assert exit_.value.code == 2
    captured = capsys.readouterr()
    assert captured.err == "error: The clip is silent: record it again.\n"
    assert captured.out == ""


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_disk_becomes_one_line(capsys, code):
    with pytest.raises(SystemExit) as exit_:
        raising(OSError(code, "no room", "out.wav"))()
    assert exit_.value.code == 2
    assert "disk is full while writing out.wav" in capsys.readouterr().err


def test_interrupt_exits_with_130(capsys):
    with pytest.raises(SystemExit) as exit_:
        raising(KeyboardInterrupt())()
    assert exit_.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("error", [ValueError("ours"), PermissionError(errno.EACCES, "denied"), SystemExit(3)])
def test_everything_else_passes_through(error):
    with pytest.raises(type(error)) as raised:
        raising(error)()
    assert raised.value is error


def test_what_main_returns_is_returned_and_its_name_kept():
    @exit_on_speech_error
    def main(code: int | None) -> int | None:
        """Doc."""
        return code

    assert main(5) == 5
    assert main(None) == 0
    assert main.__name__ == "main"


@pytest.mark.parametrize("code", [errno.ENAMETOOLONG, errno.EACCES, errno.ELOOP, errno.EISDIR])
def test_a_file_that_the_system_refuses_becomes_one_line(capsys, code):
    with pytest.raises(SystemExit) as exit_:
        raising(OSError(code, "not allowed", "x" * 300))()
    assert exit_.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("error: xxx") and "(not allowed)" in message and len(message) < 200


def test_a_closed_pipe_ends_silently(capsys):
    assert raising(BrokenPipeError(errno.EPIPE, "Broken pipe"))() == 1
    assert capsys.readouterr() == ("", "")


PROGRAM = r"""
from speech.errors import AudioError, exit_on_speech_error
@exit_on_speech_error
def main():
    print("caf\u00e9 \u2603 \udce9")
    print(input() if ASK else "", flush=True)
    raise AudioError("\u2603 is silent.")
main()
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams(repository, closed):
    command = f'"{sys.executable}" -c "$PROGRAM" {closed}'
    environment = {**os.environ, "PROGRAM": PROGRAM.replace("ASK", "False")}
    done = subprocess.run(["sh", "-c", command], cwd=repository, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


LOGGING = """
import logging, sys
from tqdm import tqdm
from speech.errors import AudioError, exit_on_speech_error
@exit_on_speech_error
def main():
    logging.warning("A warning.")
    for _ in tqdm(range(3), mininterval=0):
        print("step", file=sys.stderr)
    print("done")
    if "fail" in sys.argv:
        raise AudioError("It is silent.")
sys.exit(main())
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize(("arguments", "code"), [([], 0), (["fail"], 2)])
def test_work_goes_on_if_progress_cannot_be_printed(repository, arguments, code):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", LOGGING, *arguments], cwd=repository, stdout=subprocess.PIPE, stderr=full, text=True
        )
    assert (done.returncode, done.stdout) == (code, "done\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_text_can_be_printed_in_any_encoding(repository, encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("ASK", "False")], cwd=repository, env=environment, capture_output=True
    )
    assert done.returncode == 2 and b"Traceback" not in done.stderr
    assert done.stdout.startswith(b"caf") and done.stderr.startswith(b"error: ")


def test_a_reader_may_close_the_pipe_early(repository):
    program = PROGRAM.replace("ASK", "False").replace('print("caf', 'print("x\\n" * 100_000 + "caf')
    command = f'"{sys.executable}" -c "$PROGRAM" | head -1'
    environment = {**os.environ, "PROGRAM": program}
    done = subprocess.run(["sh", "-c", command], cwd=repository, env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("x\n", "")
