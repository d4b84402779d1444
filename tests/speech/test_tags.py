"""Text tags of audio files: written by us, read by FFmpeg."""

import io
import struct
import wave

import av
import numpy as np
import pytest
import soundfile

from speech.audio import OUTPUT_FORMATS, encode_audio, read_audio, write_audio
from speech.errors import AudioError
from speech.tags import read_tags
from speech.wav_header import append_tags, info_chunk, wav_header

RATE = 16_000
WAV = np.random.default_rng(0).uniform(-0.5, 0.5, 1601).astype(np.float32)


@pytest.mark.parametrize("suffix", OUTPUT_FORMATS)
@pytest.mark.parametrize("length", [1, 2, 20_000, 300_000])
def test_tags_of_any_length_are_read_back_and_leave_the_samples_alone(tmp_path, suffix, length):
    tags = {"title": "A title", "software": "this", "date": "2026-01-31", "comment": "x" * length}
    write_audio(tmp_path / f"tagged{suffix}", WAV, tags=tags)
    write_audio(tmp_path / f"plain{suffix}", WAV)
    back = read_tags(tmp_path / f"tagged{suffix}")
    assert (back["title"], back["date"], back["comment"]) == ("A title", "2026-01-31", "x" * length)
    assert back["software" if suffix != ".wav" else "encoder"].startswith("this")
    assert np.array_equal(read_audio(tmp_path / f"tagged{suffix}"), read_audio(tmp_path / f"plain{suffix}"))


def test_a_wav_without_tags_is_that_of_libsndfile():
    content = io.BytesIO()
    soundfile.write(content, np.rint(WAV * 32768).astype(np.int16), RATE, format="WAV", subtype="PCM_16")
    assert encode_audio(WAV, RATE, ".wav") == content.getvalue()


def test_the_header_of_a_wav_with_tags_has_the_right_sizes():
    header = wav_header(RATE, 100, {"comment": "odd", "title": "even"})
    assert struct.unpack("<I", header[4:8])[0] == len(header) + 100 - 8 and len(header) % 2 == 0
    with wave.open(io.BytesIO(header + bytes(100))) as file:
        assert (file.getnframes(), file.getframerate()) == (50, RATE)


def test_tags_are_appended_to_a_float_wav(tmp_path):
    content = io.BytesIO()
    soundfile.write(content, WAV, RATE, format="WAV", subtype="FLOAT")
    path = tmp_path / "float.wav"
    path.write_bytes(append_tags(content.getvalue(), {"comment": "hello"}))
    assert read_tags(path)["comment"] == "hello"
    assert np.array_equal(soundfile.read(path, dtype="float32")[0], WAV)
    assert append_tags(content.getvalue(), {}) == content.getvalue() and info_chunk({}) == b""


def test_files_that_are_not_audio_are_refused(tmp_path):
    (tmp_path / "text.wav").write_text("not audio")
    (tmp_path / "empty.wav").write_bytes(b"")
    write_audio(tmp_path / "whole.flac", WAV, tags={"comment": "x" * 1000})
    (tmp_path / "part.flac").write_bytes((tmp_path / "whole.flac").read_bytes()[:30])
    for name in ("text.wav", "empty.wav", "gone.wav", "part.flac", "."):
        with pytest.raises(AudioError):
            read_tags(tmp_path / name)


def test_a_file_without_audio_is_refused(tmp_path):
    with av.open(str(tmp_path / "video.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 16
        container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(AudioError, match="no audio"):
        read_tags(tmp_path / "video.mp4")
