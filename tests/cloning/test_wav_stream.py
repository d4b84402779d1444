"""Wav streams to files and pipes."""

import errno
import io
import os
import threading
import wave

import numpy as np
import pytest

from cloning.wav_stream import WavStream, check_stream_target, wav_header
from speech.errors import StorageError

RATE = 16_000


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.1, 1, samples).astype(np.float32)


def read_wav(data: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_a_stream_file_grows_and_ends_as_a_valid_wav(tmp_path):
    path = tmp_path / "out.wav"
    stream = WavStream(path, RATE)
    sizes = [path.stat().st_size]
    for seed in range(3):
        stream.write(noise(100, seed))
        sizes.append(path.stat().st_size)
    assert sizes == [44, 244, 444, 644]
    assert np.array_equal(np.frombuffer(path.read_bytes()[44:], "<i2")[:100], np.rint(noise(100) * 32768))
    stream.close()
    wav = read_wav(path.read_bytes())
    assert len(wav) == 300 and np.array_equal(wav[200:], np.rint(noise(100, 2) * 32768))


def test_samples_out_of_range_are_clipped(tmp_path):
    stream = WavStream(tmp_path / "out.wav", RATE)
    stream.write(np.array([-2, 0, 2], np.float32))
    stream.close()
    assert read_wav((tmp_path / "out.wav").read_bytes()).tolist() == [-32768, 0, 32767]


def test_an_open_pipe_receives_all_audio_and_stays_open():
    pipe = io.BytesIO()
    stream = WavStream(pipe, RATE)
    stream.write(noise(100))
    stream.close()
    stream.abort()
    assert pipe.getvalue()[:44] == wav_header(RATE, None) and len(pipe.getvalue()) == 244


def test_an_aborted_file_is_removed(tmp_path):
    stream = WavStream(tmp_path / "out.wav", RATE)
    stream.write(noise(100))
    stream.abort()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_named_pipe_receives_all_audio_and_is_not_removed(tmp_path):
    path, received = tmp_path / "pipe", list[bytes]()
    os.mkfifo(path)
    check_stream_target(str(path), False, overwrite=False)
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()
    stream = WavStream(path, RATE)
    stream.write(noise(100))
    stream.close()
    reader.join(5)
    assert len(received[0]) == 244 and path.exists()


def test_a_full_disk_is_reported_and_leaves_no_file(tmp_path, monkeypatch):
    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match="disk is full"):
        WavStream(Full(), RATE)
    monkeypatch.setattr(WavStream, "_write", lambda *_: (_ for _ in ()).throw(StorageError("full")))
    with pytest.raises(StorageError):
        WavStream(tmp_path / "out.wav", RATE)
    assert list(tmp_path.iterdir()) == []


def test_invalid_targets_are_refused(tmp_path):
    (tmp_path / "there.wav").write_bytes(b"")
    for target in ("gone/out.wav", "out.mp3", "there.wav", "."):
        with pytest.raises(StorageError):
            check_stream_target(str(tmp_path / target), False, overwrite=False)
    with pytest.raises(StorageError, match="terminal"):
        check_stream_target("-", True, overwrite=False)
    check_stream_target(str(tmp_path / "there.wav"), False, overwrite=True)
    check_stream_target(str(tmp_path / "new.wav"), False, overwrite=False)
    check_stream_target("-", False, overwrite=False)
