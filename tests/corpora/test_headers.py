"""Header readers agree with libsndfile, and damaged files do not stop them."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpora.headers import UNREADABLE, Header, _plain_header, read_headers
from tests.speech.clips import write_with_av


@pytest.mark.parametrize(
    ("form", "subtype", "channels", "quick"),
    [
        ("WAV", "PCM_U8", 1, True),
        ("WAV", "PCM_16", 2, True),
        ("WAV", "PCM_24", 3, True),
        ("WAV", "DOUBLE", 1, True),
        ("WAVEX", "FLOAT", 2, True),
        ("WAV", "ULAW", 1, False),
        ("FLAC", "PCM_16", 1, True),
        ("FLAC", "PCM_24", 6, True),
        ("NIST", "PCM_16", 1, False),
        ("OGG", "VORBIS", 1, False),
    ],
)
def test_formats(tmp_path, form, subtype, channels, quick):
    path = tmp_path / "clip"
    soundfile.write(path, np.zeros((1001, channels)), 22_050, format=form, subtype=subtype)
    assert read_headers([path]) == [Header(22_050, 1001, channels)]
    assert (_plain_header(path) is not None) == quick


def test_unusual_wav_files(tmp_path):
    plain = tmp_path / "plain.wav"
    soundfile.write(plain, np.zeros(1000), 16_000)
    content = plain.read_bytes()
    start = content.index(b"data")
    odd = {
        "cut short": content[:-500],
        "from a pipe": content[: start + 4] + b"\xff\xff\xff\xff" + content[start + 8 :],
        "with a comment": content[:start] + b"LIST" + struct.pack("<I", 3) + b"hey\0" + content[start:],
    }
    for name, changed in odd.items():
        (tmp_path / name).write_bytes(changed)
    headers = read_headers([plain, *(tmp_path / name for name in odd)])
    assert headers == [Header(16_000, samples, 1) for samples in (1000, 750, 1000, 1000)]


def test_files_without_audio(tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("RIFF, but no wave" * 20)
    (tmp_path / "folder.wav").mkdir()
    names = ("missing.wav", "empty.wav", "text.wav", "folder.wav")
    expected = ["the file is missing", "the file is empty", UNREADABLE, "the file is missing"]
    assert read_headers([tmp_path / name for name in names]) == expected
    assert read_headers([tmp_path / "text.wav"], jobs=1) == [UNREADABLE]  # in a separate process


def test_playlists_cannot_open_other_files(tmp_path):
    write_with_av(tmp_path / "secret.m4a", "aac", 16_000, "mono")
    assert isinstance(read_headers([tmp_path / "secret.m4a"])[0], Header)
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.m4a\n#EXT-X-ENDLIST\n")
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile secret.m4a\n")
    assert read_headers([tmp_path / "list.m3u8", tmp_path / "list.ffconcat"]) == [UNREADABLE] * 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_headers_raise_nothing(tmp_path, data):
    form = data.draw(st.sampled_from(["WAV", "FLAC"]))
    path: Path = tmp_path / "x"
    soundfile.write(path, np.zeros(50), 16_000, format=form)
    content = bytearray(path.read_bytes())
    for position in data.draw(st.lists(st.integers(0, 60), max_size=4)):
        content[position % len(content)] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    header = _plain_header(path)
    assert header is None or (isinstance(header, Header) and min(header) > 0)
