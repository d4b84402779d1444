"""Decoding of audio files: formats, limits, damaged and hostile files."""

import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speech import audio
from speech.errors import AudioError
from tests.speech.clips import RATE, assert_is_the_tone, tone, write_with_av


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 96_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_rate_and_channel_count(tmp_path, rate, channels):
    path = tmp_path / "clip.wav"
    soundfile.write(path, np.tile(tone(rate=rate)[:, None], (1, channels)), rate)
    assert_is_the_tone(audio.read_audio(path))


@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        *[("clip.wav", depth) for depth in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW")],
        ("clip.flac", "PCM_16"),
        ("clip.flac", "PCM_24"),
        ("clip.ogg", "VORBIS"),
        ("clip.ogg", "OPUS"),
        ("clip.mp3", "MPEG_LAYER_III"),
        ("clip.aiff", "PCM_16"),
    ],
)
def test_soundfile_formats(tmp_path, name, subtype):
    path = tmp_path / name
    soundfile.write(path, tone(), RATE, subtype=subtype)
    assert_is_the_tone(audio.read_audio(path))


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout", "container"),
    [
        ("clip.m4a", "aac", 44_100, "mono", None),
        ("clip.mp4", "aac", 48_000, "stereo", None),
        ("clip.aac", "aac", 16_000, "mono", "adts"),
        ("clip.webm", "libopus", 48_000, "stereo", None),
        ("eight_channels.m4a", "aac", 48_000, "7.1", "mp4"),
        ("without_suffix", "aac", 44_100, "stereo", "mp4"),
    ],
)
def test_ffmpeg_formats(tmp_path, name, codec, rate, layout, container):
    path = tmp_path / name
    write_with_av(path, codec, rate, layout, container)
    assert_is_the_tone(audio.read_audio(path), tolerance=0.05)


@pytest.mark.parametrize("suffix", [".mp3", ".wav", ".flac", ".ogg", ".m4a", ".aac", ".webm", ".txt", ""])
@pytest.mark.parametrize("content", ["m4a", "webm", "aac", "mp3", "mp3 with tags", "wav", "flac", "ogg", "aiff", "caf"])
def test_the_content_counts_and_not_the_suffix(tmp_path, content, suffix):
    path = tmp_path / f"clip{suffix}"
    if content in ("m4a", "webm", "aac"):
        container, codec, rate = {"m4a": ("mp4", "aac", 44_100), "webm": ("webm", "libopus", 48_000)}.get(
            content, ("adts", "aac", 16_000)
        )
        write_with_av(path, codec, rate, "mono", container)
    else:
        with open(path, "wb") as stream:
            soundfile.write(stream, tone(), RATE, format=content.split()[0].upper())
        if content == "mp3 with tags":
            path.write_bytes(b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256) + path.read_bytes())
    assert_is_the_tone(audio.read_audio(path), tolerance=0.05)


@pytest.mark.parametrize(
    "gains",
    [(1, -1), (-0.5, 1), (1, -0.7), (0.9, -1, 0.05), (1, -1, 0, 0, 0, 0)],
    ids=str,
)
@pytest.mark.parametrize("offset", [0, 0.2])
@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_channels_in_antiphase_do_not_cancel(tmp_path, gains, offset, rate):
    noise = np.random.default_rng(1).normal(0, 0.01, (rate, len(gains)))
    soundfile.write(tmp_path / "clip.wav", tone(rate=rate)[:, None] * gains + noise + offset, rate, subtype="FLOAT")
    assert_is_the_tone(audio.read_audio(tmp_path / "clip.wav"))


def test_channels_in_antiphase_do_not_cancel_with_ffmpeg(tmp_path):
    samples = np.stack([tone(rate=48_000), -tone(rate=48_000)])
    write_with_av(tmp_path / "clip.m4a", "aac", 48_000, "stereo", samples=samples)
    assert_is_the_tone(audio.read_audio(tmp_path / "clip.m4a"), tolerance=0.05)


@pytest.mark.parametrize("gains", [(1, 1), (1, 0), (1, 0.5), (1, -0.05), (1, 1, 1, 0.2, 0, 0)], ids=str)
def test_other_channels_are_averaged(tmp_path, gains):
    samples = 0.5 * tone()[:, None] * gains
    soundfile.write(tmp_path / "clip.wav", samples, RATE, subtype="FLOAT")
    np.testing.assert_allclose(audio.read_audio(tmp_path / "clip.wav"), samples.mean(axis=1), atol=1e-6)


def test_two_speakers_on_two_channels_are_averaged(tmp_path):
    samples = np.stack([tone(hertz=220), tone(hertz=330)], axis=1)
    soundfile.write(tmp_path / "clip.wav", samples, RATE, subtype="FLOAT")
    np.testing.assert_allclose(audio.read_audio(tmp_path / "clip.wav"), samples.mean(axis=1), atol=1e-6)


def with_sizes(wav_file: bytes, riff: int, data: int) -> bytes:
    """A wav file with other RIFF and data sizes in its header."""
    at = wav_file.index(b"data") + 4
    sizes = [size.to_bytes(4, "little") for size in (riff, data)]
    return wav_file[:4] + sizes[0] + wav_file[8:at] + sizes[1] + wav_file[at + 4 :]


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize(
    ("riff", "data"),
    [(0, 0), (36, 0), (2**32 - 1, 2**32 - 1), (2**31 + 36, 2**31), (2**31 - 1, 2**31 - 37)],
)
@pytest.mark.parametrize("seconds", [1, 3])
def test_a_wav_stream_that_was_never_closed_is_read_to_its_end(tmp_path, subtype, riff, data, seconds):
    path = tmp_path / "stream.wav"
    soundfile.write(path, tone(seconds), RATE, subtype=subtype)
    path.write_bytes(with_sizes(path.read_bytes(), riff, data))
    np.testing.assert_allclose(audio.read_audio(path), tone(seconds), atol=1e-4)


def test_a_flac_stream_of_unknown_length_is_read_to_its_end(tmp_path):
    path = tmp_path / "stream.flac"
    soundfile.write(path, tone(), RATE)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the number of samples: the last 36 bits of bytes 18 to 25
    content[22:26] = bytes(4)
    path.write_bytes(content)
    np.testing.assert_allclose(audio.read_audio(path), tone(), atol=1e-4)


SIZES = {  # format: (bytes before a size, distance from them to it, length of the size) of each size in its header
    "WAVEX": [(b"RIFF", 4, 4), (b"data", 4, 4)],
    "AU": [(b".snd", 8, 4)],
    "AIFF": [(b"FORM", 4, 4), (b"COMM", 10, 4), (b"SSND", 4, 4)],
    "CAF": [(b"data", 4, 8)],
    "W64": [(b"riff", 16, 8), (b"data", 16, 8)],
    "RF64": [(b"RF64", 4, 4), (b"ds64", 8, 8), (b"ds64", 16, 8), (b"ds64", 24, 8), (b"data", 4, 4)],
}
STATED = {"zero": b"\x00", "all bits": b"\xff"}
HUGE = {4: b"\x7f\xff\xff\xff", 8: b"\x3f" + b"\xff" * 7}


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("stated", ["zero", "all bits", "huge"])
@pytest.mark.parametrize("form", SIZES)
def test_any_stream_that_was_never_closed_is_read_to_its_end(tmp_path, capfd, form, stated, subtype):
    path = tmp_path / "stream"
    soundfile.write(path, tone(2), RATE, format=form, subtype=subtype)
    content = bytearray(path.read_bytes())
    for mark, distance, length in SIZES[form]:
        at = content.index(mark) + distance
        size = HUGE[length] if stated == "huge" else STATED[stated] * length
        content[at : at + length] = size if form in ("AU", "AIFF", "CAF") else size[::-1]
    path.write_bytes(content)
    np.testing.assert_allclose(audio.read_audio(path), tone(2), atol=1e-4)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("form", ["AU", "RF64", "AIFF"])
def test_a_stream_that_was_closed_before_its_first_sample_is_refused(tmp_path, form):
    path = tmp_path / "stream"
    soundfile.write(path, np.zeros(0), RATE, format=form)
    with pytest.raises(AudioError, match="contains no audio"):
        audio.read_audio(path)


def test_a_flac_file_that_states_a_huge_length_is_read_to_its_end(tmp_path):
    path = tmp_path / "stream.flac"
    soundfile.write(path, tone(), RATE)
    content = bytearray(path.read_bytes())
    content[21] |= 0x0F
    content[22:26] = b"\xff" * 4
    path.write_bytes(content)
    np.testing.assert_allclose(audio.read_audio(path), tone(), atol=1e-4)


def test_decoded_samples_match_the_golden_clips(golden_dir, shared_dir):
    golden = np.load(golden_dir / "encoder.npz")
    for clip in ("1320_00000", "p240_00000"):  # 16 and 24 kHz
        wav = audio.read_audio(shared_dir / "data" / "demo_references" / "audio" / f"{clip}.mp3")
        np.testing.assert_allclose(wav, golden[f"{clip}.wav16k"], atol=1e-4)


def test_output_sample_rate(tmp_path):
    soundfile.write(tmp_path / "clip.wav", tone(), RATE)
    assert len(audio.read_audio(tmp_path / "clip.wav", sample_rate=24_000)) == 24_000


def test_paths_with_special_characters(tmp_path):
    for name in ("voix d'été.wav", "50%, a|b.wav", "clip.RAW"):
        soundfile.write(tmp_path / name, tone(), RATE, format="WAV")
        assert_is_the_tone(audio.read_audio(tmp_path / name))


@pytest.mark.parametrize("peak", [1.2, 32_000.0])
def test_floats_beyond_full_scale_are_scaled_down(tmp_path, caplog, peak):
    path = tmp_path / "loud.wav"
    soundfile.write(path, tone(peak=peak), RATE, subtype="FLOAT")
    with caplog.at_level(logging.DEBUG, logger="speech.audio"):
        wav = audio.read_audio(path)
    assert np.abs(wav).max() <= 1
    np.testing.assert_allclose(wav, tone(peak=1.0), atol=1e-3)
    assert "scaled down" in caplog.text


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(AudioError, match="no file"):
        audio.read_audio(tmp_path / "missing.wav")
    with pytest.raises(AudioError, match="folder"):
        audio.read_audio(tmp_path)
    with pytest.raises(AudioError):
        audio.read_audio("null\0character.wav")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.wav").touch()
    with pytest.raises(AudioError, match="empty"):
        audio.read_audio(tmp_path / "empty.wav")


def test_a_file_without_samples_is_refused(tmp_path):
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0), RATE)
    with pytest.raises(AudioError, match="no audio"):
        audio.read_audio(tmp_path / "nothing.wav")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_nan_and_infinity_are_refused(tmp_path, value, rate):
    wav = tone(rate=rate)
    wav[1000] = value
    soundfile.write(tmp_path / "nan.wav", wav, rate, subtype="FLOAT")
    with pytest.raises(AudioError, match="NaN"):
        audio.read_audio(tmp_path / "nan.wav")


def test_a_text_file_with_an_audio_suffix_is_refused(tmp_path):
    for name in ("text.wav", "text.m4a", "text.mp3"):
        (tmp_path / name).write_text("this is not audio\n" * 200)
        with pytest.raises(AudioError, match="not an audio file"):
            audio.read_audio(tmp_path / name)


def test_a_video_without_an_audio_stream_is_refused(tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "silent.mp4"), "w") as output:
        stream = output.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), dtype=np.uint8), format="rgb24")
        for _ in range(3):
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    with pytest.raises(AudioError, match="no audio stream"):
        audio.read_audio(tmp_path / "silent.mp4")


def test_playlists_cannot_open_other_files(tmp_path):
    write_with_av(tmp_path / "secret.m4a", "aac", RATE, "mono")
    for name, content in {
        "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.m4a\n#EXT-X-ENDLIST\n",
        "list.ffconcat": "ffconcat version 1.0\nfile secret.m4a\n",
    }.items():
        (tmp_path / name).write_text(content)
        with pytest.raises(AudioError, match="not an audio file"):
            audio.read_audio(tmp_path / name)


@pytest.mark.parametrize("name", ["long.wav", "long.flac", "long.ogg", "long.mp3", "long.m4a"])
def test_a_file_beyond_max_seconds_is_refused(tmp_path, name):
    path = tmp_path / name
    if path.suffix == ".m4a":
        write_with_av(path, "aac", RATE, "mono")
    else:
        soundfile.write(path, tone(), RATE)
    with pytest.raises(AudioError, match=r"longer than the 0\.4 seconds"):
        audio.read_audio(path, max_seconds=0.4)
    audio.read_audio(path, max_seconds=1.2)


def test_an_implausible_sample_rate_is_refused(tmp_path):
    soundfile.write(tmp_path / "slow.wav", tone(0.1), 2)
    with pytest.raises(AudioError, match="sample rate"):
        audio.read_audio(tmp_path / "slow.wav")


@pytest.mark.parametrize("name", ["cut.wav", "cut.flac", "cut.ogg", "cut.mp3", "cut.aac", "cut.m4a"])
def test_truncated_files_are_decoded_up_to_the_end_or_refused(tmp_path, name):
    path = tmp_path / name
    if path.suffix in (".aac", ".m4a"):
        write_with_av(path, "aac", RATE, "mono", "adts" if path.suffix == ".aac" else None)
    else:
        soundfile.write(path, tone(), RATE)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    if path.suffix in (".wav", ".aac", ".mp3"):  # formats without an index at the end
        assert 0.4 * RATE < len(audio.read_audio(path)) < 0.9 * RATE
    else:
        assert_decoded_or_refused(path)


def assert_decoded_or_refused(path: Path) -> None:
    try:
        wav = audio.read_audio(path, max_seconds=60)
    except AudioError as error:
        assert "\n" not in str(error)
    else:
        assert wav.dtype == np.float32 and wav.ndim == 1 and len(wav) > 0
        assert np.isfinite(wav).all() and np.abs(wav).max() <= 1


@pytest.fixture(scope="module")
def intact_files(tmp_path_factory) -> list[tuple[str, bytes]]:
    folder = tmp_path_factory.mktemp("whole")
    for name in ("a.wav", "b.flac", "c.ogg", "d.mp3"):
        soundfile.write(folder / name, tone(0.3), RATE)
    soundfile.write(folder / "e.wav", tone(0.3), RATE, subtype="FLOAT")
    write_with_av(folder / "f.m4a", "aac", RATE, "mono")
    write_with_av(folder / "g.webm", "libopus", 48_000, "mono")
    return [(path.suffix, path.read_bytes()) for path in sorted(folder.iterdir())]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400), suffix=st.sampled_from([".wav", ".mp3", ".m4a", ""]))
def test_random_bytes_are_decoded_or_refused(tmp_path, content, suffix):
    path = tmp_path / f"noise{suffix}"
    path.write_bytes(content)
    assert_decoded_or_refused(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_decoded_or_refused(tmp_path, intact_files, data):
    suffix, whole = data.draw(st.sampled_from(intact_files))
    damaged = bytearray(whole[: data.draw(st.integers(1, len(whole)))])
    places = st.integers(0, min(len(damaged), 600) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=20)):
        damaged[place] = value
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(damaged)
    assert_decoded_or_refused(path)
