"""Pipes and devices, which wait or go on for ever, are refused in one sentence wherever a file is expected."""

import os
from pathlib import Path

import pytest

from cloning.targets import read_text
from cloning.voices import Voice
from corpora.headers import read_headers
from encoder.verification import read_trials
from evaluation.sets import read_sentences
from modelfile.header import read_header
from speech.audio import read_audio
from speech.errors import SpeechError
from synthesizer.text.lexicon import read_lexicon

pytestmark = [pytest.mark.timeout(60), pytest.mark.skipif(os.name == "nt", reason="there are no such files")]

READERS = [read_text, Voice.load, read_trials, read_sentences, read_header, read_audio, read_lexicon]


@pytest.fixture(params=["fifo", "/dev/zero"])
def special(request, tmp_path) -> Path:
    if request.param != "fifo":
        return Path(request.param)
    os.mkfifo(tmp_path / "pipe.wav")
    return tmp_path / "pipe.wav"


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__qualname__)
def test_special_files_are_refused(special, read):
    with pytest.raises(SpeechError) as error:
        read(special)
    assert str(special) in str(error.value) and "\n" not in str(error.value)


def test_special_files_are_left_out_of_a_corpus(special):
    assert read_headers([special]) == ["the file is missing"]


def test_a_symbolic_link_to_a_device_is_a_device(tmp_path):
    (tmp_path / "model.safetensors").symlink_to("/dev/zero")
    with pytest.raises(SpeechError, match="pipe, socket or device"):
        read_header(tmp_path / "model.safetensors")
