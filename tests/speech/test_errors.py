"""What a person caused ends in one line and exit code 2; what we caused keeps its traceback."""

import errno

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


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
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
