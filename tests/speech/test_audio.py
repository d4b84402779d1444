"""Reading whatever people have, writing whole files, and the signal steps against recorded numbers."""

import errno
import logging
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speech import audio
from speech.errors import AudioError, StorageError

RATE = audio.SAMPLE_RATE


def tone(seconds: float = 1.0, rate: int = RATE, peak: float = 0.5, hertz: float = 220.0) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def write_with_av(path: Path, codec: str, rate: int, layout: str, container: str | None = None) -> None:
    """A second of a 220 Hz tone in one of the formats that soundfile does not write."""
    av = pytest.importorskip("av")
    channels = {"mono": 1, "stereo": 2}[layout]
    samples = np.tile(tone(1.0, rate), (channels, 1))
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        for start in range(0, samples.shape[1], 1024):
            block = np.ascontiguousarray(samples[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def assert_is_the_tone(wav: np.ndarray, tolerance: float = 0.02) -> None:
    """About a second of 220 Hz at a root mean square of 0.5 / sqrt(2), whatever delay the codec adds."""
    assert wav.dtype == np.float32 and wav.ndim == 1
    assert abs(len(wav) / RATE - 1) < 0.15
    middle = wav[RATE // 4 : RATE // 4 + RATE // 2]
    assert abs(float(np.sqrt(np.mean(middle**2))) - 0.5 / np.sqrt(2)) < tolerance
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert abs(int(spectrum.argmax()) * RATE / len(middle) - 220) <= 2


# --- reading --------------------------------------------------------------------------------------------------------


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
        ("without_suffix", "aac", 44_100, "stereo", "mp4"),
    ],
)
def test_ffmpeg_formats(tmp_path, name, codec, rate, layout, container):
    path = tmp_path / name
    write_with_av(path, codec, rate, layout, container)
    assert_is_the_tone(audio.read_audio(path), tolerance=0.05)


def test_reads_exactly_what_was_recorded(golden_dir, shared_dir):
    golden = np.load(golden_dir / "encoder.npz")
    for clip in ("1320_00000", "p240_00000"):  # 16 and 24 kHz
        wav = audio.read_audio(shared_dir / "data" / "demo_references" / "audio" / f"{clip}.mp3")
        np.testing.assert_allclose(wav, golden[f"{clip}.wav16k"], atol=1e-4)


def test_another_rate_can_be_asked_for(tmp_path):
    soundfile.write(tmp_path / "clip.wav", tone(), RATE)
    assert len(audio.read_audio(tmp_path / "clip.wav", sample_rate=24_000)) == 24_000


def test_names_that_look_like_addresses_or_have_accents(tmp_path):
    for name in ("voix d'été.wav", "50%, a|b.wav", "clip.RAW"):
        soundfile.write(tmp_path / name, tone(), RATE, format="WAV")
        assert_is_the_tone(audio.read_audio(tmp_path / name))


@pytest.mark.parametrize("peak", [1.2, 32_000.0])
def test_over_range_floats_are_scaled_down(tmp_path, caplog, peak):
    path = tmp_path / "loud.wav"
    soundfile.write(path, tone(peak=peak), RATE, subtype="FLOAT")
    with caplog.at_level(logging.DEBUG, logger="speech.audio"):
        wav = audio.read_audio(path)
    assert np.abs(wav).max() <= 1
    np.testing.assert_allclose(wav, tone(peak=1.0), atol=1e-3)
    assert "scaled down" in caplog.text


def test_wrong_paths(tmp_path):
    with pytest.raises(AudioError, match="no file"):
        audio.read_audio(tmp_path / "missing.wav")
    with pytest.raises(AudioError, match="folder"):
        audio.read_audio(tmp_path)
    with pytest.raises(AudioError):
        audio.read_audio("null\0character.wav")


def test_zero_bytes(tmp_path):
    (tmp_path / "empty.wav").touch()
    with pytest.raises(AudioError, match="empty"):
        audio.read_audio(tmp_path / "empty.wav")


def test_a_header_without_samples(tmp_path):
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0), RATE)
    with pytest.raises(AudioError, match="no sound"):
        audio.read_audio(tmp_path / "nothing.wav")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_not_numbers(tmp_path, value, rate):
    wav = tone(rate=rate)
    wav[1000] = value
    soundfile.write(tmp_path / "nan.wav", wav, rate, subtype="FLOAT")
    with pytest.raises(AudioError, match="not numbers"):
        audio.read_audio(tmp_path / "nan.wav")


def test_text_under_the_name_of_a_sound(tmp_path):
    for name in ("text.wav", "text.m4a", "text.mp3"):
        (tmp_path / name).write_text("this is no sound\n" * 200)
        with pytest.raises(AudioError, match="not a sound file"):
            audio.read_audio(tmp_path / name)


def test_a_video_without_sound(tmp_path):
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


def test_a_playlist_cannot_make_us_read_another_file(tmp_path):
    write_with_av(tmp_path / "secret.m4a", "aac", RATE, "mono")
    for name, content in {
        "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.m4a\n#EXT-X-ENDLIST\n",
        "list.ffconcat": "ffconcat version 1.0\nfile secret.m4a\n",
    }.items():
        (tmp_path / name).write_text(content)
        with pytest.raises(AudioError, match="not a sound file"):
            audio.read_audio(tmp_path / name)


@pytest.mark.parametrize("name", ["long.wav", "long.flac", "long.ogg", "long.mp3", "long.m4a"])
def test_too_long_is_refused(tmp_path, name):
    path = tmp_path / name
    if path.suffix == ".m4a":
        write_with_av(path, "aac", RATE, "mono")
    else:
        soundfile.write(path, tone(), RATE)
    with pytest.raises(AudioError, match=r"longer than the 0\.4 seconds"):
        audio.read_audio(path, max_seconds=0.4)
    audio.read_audio(path, max_seconds=1.2)


def test_an_absurd_sample_rate_is_refused(tmp_path):
    soundfile.write(tmp_path / "slow.wav", tone(0.1), 2)
    with pytest.raises(AudioError, match="samples a second"):
        audio.read_audio(tmp_path / "slow.wav")


@pytest.mark.parametrize("name", ["cut.wav", "cut.flac", "cut.ogg", "cut.mp3", "cut.aac", "cut.m4a"])
def test_truncated_files_give_what_is_left_or_the_error(tmp_path, name):
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
        array_or_audio_error(path)


def array_or_audio_error(path: Path) -> None:
    try:
        wav = audio.read_audio(path, max_seconds=60)
    except AudioError as error:
        assert "\n" not in str(error)
    else:
        assert wav.dtype == np.float32 and wav.ndim == 1 and len(wav) > 0
        assert np.isfinite(wav).all() and np.abs(wav).max() <= 1


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory) -> list[tuple[str, bytes]]:
    folder = tmp_path_factory.mktemp("whole")
    for name in ("a.wav", "b.flac", "c.ogg", "d.mp3"):
        soundfile.write(folder / name, tone(0.3), RATE)
    soundfile.write(folder / "e.wav", tone(0.3), RATE, subtype="FLOAT")
    write_with_av(folder / "f.m4a", "aac", RATE, "mono")
    write_with_av(folder / "g.webm", "libopus", 48_000, "mono")
    return [(path.suffix, path.read_bytes()) for path in sorted(folder.iterdir())]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400), suffix=st.sampled_from([".wav", ".mp3", ".m4a", ""]))
def test_random_bytes(tmp_path, content, suffix):
    path = tmp_path / f"noise{suffix}"
    path.write_bytes(content)
    array_or_audio_error(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files(tmp_path, whole_files, data):
    suffix, whole = data.draw(st.sampled_from(whole_files))
    damaged = bytearray(whole[: data.draw(st.integers(1, len(whole)))])
    places = st.integers(0, min(len(damaged), 600) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=20)):
        damaged[place] = value
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(damaged)
    array_or_audio_error(path)


# --- writing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.wav", "out.flac", "out.ogg", "OUT.WAV"])
def test_what_is_written_can_be_read(tmp_path, name):
    audio.write_audio(tmp_path / name, tone())
    assert_is_the_tone(audio.read_audio(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_writing_clips_instead_of_wrapping(tmp_path):
    audio.write_audio(tmp_path / "loud.wav", tone(peak=3.0))
    wav = audio.read_audio(tmp_path / "loud.wav")
    np.testing.assert_allclose(wav, np.clip(tone(peak=3.0), -1, 1), atol=1e-4)


def test_writing_refuses_to_overwrite_unless_allowed(tmp_path):
    path = tmp_path / "out.wav"
    audio.write_audio(path, tone(0.5))
    with pytest.raises(StorageError, match="exists already"):
        audio.write_audio(path, tone(1.0))
    audio.write_audio(path, tone(1.0), overwrite=True)
    assert len(audio.read_audio(path)) == RATE


def test_writing_where_it_cannot_be(tmp_path):
    with pytest.raises(StorageError, match="cannot be written"):
        audio.write_audio(tmp_path / "missing" / "out.wav", tone())
    with pytest.raises(StorageError, match="must end in"):
        audio.write_audio(tmp_path / "out.xyz", tone())
    for wav in (
        np.zeros(0, dtype=np.float32),
        np.array([np.nan], dtype=np.float32),
        np.zeros((2, 9), dtype=np.float32),
    ):
        with pytest.raises(AudioError):
            audio.write_audio(tmp_path / "out.wav", wav)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "out.wav"
    audio.write_audio(path, tone())
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="disk is full"):
        audio.write_audio(path, tone(0.5), overwrite=True)
    assert path.read_bytes() == before
    assert [left.name for left in tmp_path.iterdir()] == ["out.wav"]


# --- loudness and silences ------------------------------------------------------------------------------------------


def test_reference_equals_golden(golden_dir):
    golden = np.load(golden_dir / "encoder.npz")
    clips = [key.removesuffix(".wav16k") for key in golden if key.endswith(".wav16k")]
    assert len(clips) == 6
    for clip in clips:
        prepared = audio.prepare_reference(golden[f"{clip}.wav16k"])
        assert len(prepared) == int(golden[f"{clip}.trimmed_samples"])
        if f"{clip}.trimmed" in golden:
            np.testing.assert_array_equal(prepared, golden[f"{clip}.trimmed"])


def kept_by_definition(flags: list[bool]) -> list[bool]:
    """The trimming rule written out window by window."""
    voiced = []
    for at in range(len(flags)):
        around = [flags[near] for near in range(at - 3, at + 5) if 0 <= near < len(flags)]
        voiced.append(sum(around) > 4)
    return [any(voiced[max(0, at - 3) : at + 4]) for at in range(len(flags))]


@settings(max_examples=60, deadline=None)
@given(flags=st.lists(st.booleans(), min_size=1, max_size=40))
def test_trimming_keeps_what_its_definition_keeps(flags):
    wav = np.repeat(np.arange(len(flags), dtype=np.float32), 480)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audio, "voice_flags", lambda _wav, gain: np.array(flags))
        kept = audio.trim_long_silences(wav)
    assert kept[::480].astype(int).tolist() == [at for at, keep in enumerate(kept_by_definition(flags)) if keep]


def test_windows_say_where_the_speech_was(golden_dir):
    wav = np.load(golden_dir / "encoder.npz")["1320_00000.wav16k"]
    spaced = np.concatenate([wav, np.zeros(3 * RATE, dtype=np.float32), wav])
    prepared, windows = audio.prepare_with_windows(spaced)
    assert (np.diff(windows) > 0).all()
    assert len(prepared) == len(windows) * audio.VAD_WINDOW
    gain = audio.raise_volume(spaced)[len(wav) // 2] / spaced[len(wav) // 2]
    for place in (0, len(windows) // 2, len(windows) - 1):
        there = spaced[windows[place] * audio.VAD_WINDOW :][: audio.VAD_WINDOW]
        here = prepared[place * audio.VAD_WINDOW :][: audio.VAD_WINDOW]
        np.testing.assert_allclose(here, there * gain, rtol=1e-5)


def test_long_sounds_are_flagged_block_by_block_as_at_once(golden_dir, monkeypatch):
    wav = np.load(golden_dir / "encoder.npz")["1320_00000.wav16k"]
    flags, level = audio.voice_flags(wav), audio.rms_dbfs(wav)
    monkeypatch.setattr(audio, "BLOCK_SAMPLES", 10 * audio.VAD_WINDOW)
    assert np.array_equal(audio.voice_flags(wav), flags)
    assert audio.rms_dbfs(wav) == pytest.approx(level, abs=1e-9)
    assert np.array_equal(audio.voice_flags(wav / 4, gain=4.0), flags)


def test_over_range_sound_does_not_wrap_before_the_detector(golden_dir):
    wav = np.load(golden_dir / "encoder.npz")["1320_00000.wav16k"]
    assert np.array_equal(audio.voice_flags(wav * 8), audio.voice_flags(np.clip(wav * 8, -1, 1)))


def test_no_speech_gives_nothing_or_the_error():
    silence = np.zeros(RATE, dtype=np.float32)
    assert len(audio.trim_long_silences(silence)) == 0
    assert len(audio.trim_long_silences(silence[:100])) == 0
    for wav in (silence, silence[:0]):
        with pytest.raises(AudioError, match="No speech"):
            audio.prepare_reference(wav)
    with pytest.raises(AudioError, match="one channel"):
        audio.prepare_reference(np.zeros((2, RATE), dtype=np.float32))
    with pytest.raises(AudioError, match="not numbers"):
        audio.prepare_reference(np.full(RATE, np.nan, dtype=np.float32))


def test_volume_is_raised_never_lowered():
    quiet, loud = tone(peak=1e-3), tone(peak=0.9)
    assert audio.rms_dbfs(audio.raise_volume(quiet)) == pytest.approx(-30, abs=0.01)
    assert audio.raise_volume(loud) is loud
    assert not audio.raise_volume(np.zeros(10, dtype=np.float32)).any()
    assert audio.rms_dbfs(np.zeros(0, dtype=np.float32)) == -np.inf
    assert np.abs(audio.normalize_peak(quiet)).max() == pytest.approx(0.9)
    assert not audio.normalize_peak(np.zeros(10, dtype=np.float32)).any()


def test_edges_are_trimmed_and_pauses_kept():
    gap = np.zeros(RATE // 2, dtype=np.float32)
    wav = np.concatenate([gap, tone(0.5), gap, tone(0.5), gap])
    wav += np.random.default_rng(0).normal(0, 1e-4, len(wav)).astype(np.float32)
    trimmed = audio.trim_edges(wav)
    assert abs(len(trimmed) / RATE - 1.6) < 0.05
    assert len(audio.trim_edges(np.zeros(RATE, dtype=np.float32))) == 0
    assert len(audio.trim_edges(np.zeros(3, dtype=np.float32))) == 0


def test_integers_are_scaled_by_their_range():
    np.testing.assert_array_equal(
        audio.as_wav(np.array([-32768, 0, 16384], dtype=np.int16)), np.array([-1, 0, 0.5], dtype=np.float32)
    )
    with pytest.raises(AudioError):
        audio.as_wav(np.array(["a"]))


# --- emphasis and mu-law --------------------------------------------------------------------------------------------


def test_emphasis_and_mu_law_equal_golden(golden_dir):
    golden = np.load(golden_dir / "mulaw.npz")
    wav = golden["x"]
    np.testing.assert_array_equal(audio.mu_law_encode(wav, 9), golden["encoded"])
    np.testing.assert_allclose(audio.mu_law_decode(golden["encoded"], 9), golden["decoded"], atol=1e-6)
    np.testing.assert_allclose(audio.preemphasis(wav), golden["pre"], atol=1e-9)
    np.testing.assert_allclose(audio.deemphasis(wav), golden["de"], atol=1e-9)


@pytest.mark.parametrize("bits", [8, 9, 10])
def test_mu_law_labels_survive_the_way_back(bits):
    labels = np.arange(2**bits)
    decoded = audio.mu_law_decode(labels, bits)
    assert decoded.min() == -1 and decoded.max() == 1 and decoded.dtype == np.float32
    np.testing.assert_array_equal(audio.mu_law_encode(decoded, bits), labels)
    assert audio.mu_law_encode(np.array([-7.0, 7.0]), bits).tolist() == [0, 2**bits - 1]


def test_deemphasis_undoes_preemphasis():
    wav = tone()
    again = audio.deemphasis(audio.preemphasis(wav))
    assert again.dtype == np.float32
    np.testing.assert_allclose(again, wav, atol=1e-4)
