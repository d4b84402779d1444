from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoder.enrolment import enrolment_report, examine_clip, main, read_clip, similarity_figure
from encoder.partials import mean_embedding
from speech.audio import read_audio, write_audio
from speech.errors import AudioError, ConfigError
from tests.speech.clips import FakePartials, mixed, tune
from tests.toy_models import save_toy_models, speech_like, toy_encoder


@pytest.fixture(scope="module")
def encoder():
    return toy_encoder()


@pytest.fixture(scope="module")
def speech(repository: Path) -> np.ndarray:
    """A spoken sentence of 10 s."""
    return read_audio(repository / "samples" / "slt.flac")


def fake_encoder(voices: dict[int, list[int]]) -> Any:
    return FakeEncoder(voices)


class FakeEncoder:
    """Gives the partials of these voices, by the length of the clip in samples."""

    def __init__(self, voices: dict[int, list[int]]):
        self.voices = voices

    def partials(self, wav):
        return FakePartials(self.voices[len(wav)], spread=0.4)


def codes(remarks) -> set[str]:
    return {remark.code for remark in remarks}


def test_a_good_clip_gets_a_good_report(encoder, speech) -> None:
    clip = examine_clip("ann.wav", speech, encoder)
    assert clip.report.remarks == ()
    np.testing.assert_allclose(clip.embedding, encoder.embed(speech), atol=1e-6)
    headline, verdict = clip.lines()
    assert headline.startswith("ann.wav: ") and "of speech in 10.1 s" in headline and "consistency" in headline
    assert verdict == "  good"


def test_each_fault_gets_its_remark(encoder, speech) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=len(speech))
    for wav, code in (
        (mixed(speech, noise, 8), "noisy"),
        (np.clip(6 * speech, -1, 1), "clipped"),
        (tune(8.0), "music"),
        (mixed(speech, tune(10.0, 3), 8), "music"),
        (speech[:40_000], "too_short"),
        (np.zeros_like(speech), "silent"),
        (0.1 * noise.astype(np.float32), "not_speech"),
    ):
        clip = examine_clip("clip", wav, encoder)
        assert code in codes(clip.report.remarks), code
        assert any(remark.sentence in line for remark in clip.report.remarks for line in clip.lines())


def test_a_second_speaker_is_reported_with_its_time(speech):
    clip = examine_clip("talk.wav", speech, fake_encoder({len(speech): [0] * 7 + [1] * 4}))
    assert codes(clip.report.remarks) == {"several_voices"}
    assert "from 6 s to 9 s" in clip.lines()[-1]


def test_clips_are_weighted_by_their_speech_by_default(encoder):
    clips = [("a", speech_like(4.5)), ("b", speech_like(9.0, pitch=200))]
    rows = [encoder.embed(wav) for _, wav in clips]
    report = enrolment_report(clips, encoder)
    np.testing.assert_allclose(report.weights, [1 / 3, 2 / 3], atol=0.02)
    np.testing.assert_allclose(report.embedding, mean_embedding(rows, report.weights), atol=1e-5)
    equal = enrolment_report(clips, encoder, "equal")
    np.testing.assert_allclose(equal.embedding, mean_embedding(rows), atol=1e-5)
    chosen = enrolment_report(clips, encoder, [0, 2])
    np.testing.assert_allclose(chosen.embedding, rows[1], atol=1e-5)
    unusable: list[Any] = [[1.0], [0, 0], [1, -1], "loudest"]
    for weights in unusable:
        with pytest.raises(ConfigError):
            enrolment_report(clips, encoder, weights)


def test_clips_of_different_people_are_reported():
    wavs = [speech_like(seconds) for seconds in (5.0, 6.0, 7.0)]
    voices = {len(wavs[0]): [0] * 5, len(wavs[1]): [0] * 6, len(wavs[2]): [0, 1, 1, 1, 1, 1, 1]}
    together = enrolment_report([("a", wavs[0]), ("b", wavs[1])], fake_encoder(voices))
    assert together.remarks == ()
    report = enrolment_report(zip("abc", wavs, strict=True), fake_encoder(voices))
    assert codes(report.remarks) == {"several_voices"}
    assert "c and a, b do not sound like one person" in report.remarks[0].sentence
    assert report.all_remarks[-1][0] == "all clips"
    np.testing.assert_allclose(np.diag(report.similarity), 1, atol=1e-5)


def test_an_unusable_clip_is_reported_and_gives_no_voice(encoder) -> None:
    report = enrolment_report([("good", speech_like(5.0)), ("bad", tune(8.0))], encoder)
    assert not report.usable
    with pytest.raises(AudioError, match=r"^bad: .*music"):
        _ = report.embedding
    report = enrolment_report([("bad", np.zeros(80_000, np.float32))], encoder)
    assert not report.usable
    with pytest.raises(AudioError, match=r"^bad: .*silent"):
        _ = report.embedding
    with pytest.raises(AudioError, match="no speech"):
        _ = report.clips[0].embedding


SHORT_CLIPS = {
    "half a second": speech_like(0.5),
    "too short": speech_like(1.5, pitch=180),
    "silent": np.zeros(80_000, np.float32),
    "hiss": np.random.default_rng(0).normal(0, 3e-3, 40_000).astype(np.float32),
    "nothing": np.zeros(0, np.float32),
    "a word in silence": np.concatenate([np.zeros(80_000, np.float32), speech_like(1.0)]),
}


@pytest.mark.parametrize("name", SHORT_CLIPS)
def test_a_clip_with_too_little_speech_is_skipped_with_a_warning(encoder, name: str) -> None:
    good = [("a", speech_like(5.0)), ("b", speech_like(5.0, pitch=130))]
    for position in range(3):
        clips = [*good[:position], (name, SHORT_CLIPS[name]), *good[position:]]
        report = enrolment_report(clips, encoder)
        assert report.usable and [clip.skipped for clip in report.clips] == [at == position for at in range(3)]
        (remark,) = [remark for source, remark in report.all_remarks if source == name]
        assert remark.severity == "warning" and "skipped" in remark.sentence
        assert report.weights[position] == 0 and report.weights.sum() == pytest.approx(1)
        assert np.isnan(report.similarity[position]).all()
        np.testing.assert_allclose(report.embedding, enrolment_report(good, encoder).embedding, atol=1e-6)


def unreadable_files(folder: Path) -> dict[str, Path]:
    write_audio(folder / "whole.wav", speech_like(4.0))
    contents = {
        "text.wav": b"This is a letter, not a recording.",
        "empty.flac": b"",
        "header only.wav": (folder / "whole.wav").read_bytes()[:20],
        "half a header.mp3": b"ID3\x04\x00\x00\x00\x00\x00\x00",
        "picture.m4a": b"\x89PNG\r\n\x1a\n" + bytes(100),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}


def test_a_clip_that_cannot_be_read_is_skipped_with_a_warning(encoder, tmp_path: Path) -> None:
    good = [("a", speech_like(5.0)), ("b", speech_like(5.0, pitch=130))]
    expected = enrolment_report(good, encoder).embedding
    for position, (name, path) in enumerate(unreadable_files(tmp_path).items()):
        position = position % 3
        report = enrolment_report([*good[:position], (name, read_clip(path)), *good[position:]], encoder)
        assert report.usable and [clip.skipped for clip in report.clips] == [at == position for at in range(3)]
        (remark,) = [remark for source, remark in report.all_remarks if source == name]
        assert (remark.severity, remark.code) == ("warning", "unreadable") and str(path) in remark.sentence
        np.testing.assert_allclose(report.embedding, expected, atol=1e-6)
        assert f"{name}: unreadable" in report.lines()


def test_only_unreadable_clips_are_an_error(encoder, tmp_path: Path) -> None:
    clips = [(name, read_clip(path)) for name, path in unreadable_files(tmp_path).items()]
    with pytest.raises(AudioError, match=r"text\.wav is not an audio file"):
        enrolment_report(clips, encoder)
    report = enrolment_report([("short", speech_like(0.5)), *clips], encoder)
    assert not report.usable and not any(clip.skipped for clip in report.clips)
    with pytest.raises(AudioError, match="There is no file"):
        read_clip(tmp_path / "missing.wav")


def test_weights_of_the_clips_that_are_not_skipped(encoder) -> None:
    clips = [("a", speech_like(5.0)), ("short", SHORT_CLIPS["too short"]), ("b", speech_like(5.0, pitch=130))]
    assert enrolment_report(clips, encoder, [1, 7, 3]).weights.tolist() == [0.25, 0, 0.75]
    assert enrolment_report(clips, encoder, "equal").weights.tolist() == [0.5, 0, 0.5]
    for weights in ([1, 3], [0, 1, 0]):
        with pytest.raises(ConfigError):
            enrolment_report(clips, encoder, weights)


def test_only_clips_with_too_little_speech_are_an_error(encoder) -> None:
    report = enrolment_report(SHORT_CLIPS.items(), encoder)
    assert not report.usable and not any(clip.skipped for clip in report.clips)
    with pytest.raises(AudioError, match=r"^half a second: .*0\.\d s of speech"):
        report.raise_for_errors()


def test_no_clip_or_invalid_audio_is_refused(encoder) -> None:
    with pytest.raises(AudioError, match="no reference clip"):
        enrolment_report([], encoder)
    with pytest.raises(AudioError, match=r"^x: "):
        examine_clip("x", np.full(32_000, np.nan, np.float32), encoder)


def test_pictures_of_clips_with_and_without_partials(encoder) -> None:
    report = enrolment_report([("good", speech_like(5.0)), ("bad", np.zeros(80_000, np.float32))], encoder)
    figure = similarity_figure(report)
    assert [axes.get_title() for axes in figure.axes] == ["good", "bad"]
    assert [len(axes.lines) for axes in figure.axes] == [1, 0]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    model = str(save_toy_models(tmp_path / "models") / "encoder.safetensors")
    write_audio(tmp_path / "good.wav", speech_like(5.0))
    write_audio(tmp_path / "silent.wav", np.zeros(80_000, np.float32))
    good, silent, picture = (str(tmp_path / name) for name in ("good.wav", "silent.wav", "picture.png"))
    assert main([good, "--encoder", model, "--picture", picture]) == 0
    assert "good.wav: " in capsys.readouterr().out
    assert Path(picture).stat().st_size > 1000
    assert main([silent, "--encoder", model]) == 1
    assert "error: The clip is silent" in capsys.readouterr().out
    (tmp_path / "text.wav").write_text("a letter")
    assert main([good, silent, str(tmp_path / "text.wav"), "--encoder", model]) == 0
    assert capsys.readouterr().out.count("warning: The clip is skipped") == 2
    for wrong in (
        [good, "--encoder", model, "--picture", picture],
        [],
        [str(tmp_path / "none.wav"), "--encoder", model],
    ):
        with pytest.raises(SystemExit) as stopped:
            main(wrong)
        assert stopped.value.code == 2


# --- the trained encoder ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def default_encoder(repository: Path):
    from encoder import SpeakerEncoder

    path = repository / "models" / "default" / "encoder.safetensors"
    if not path.is_file() or path.stat().st_size < 10_000:
        pytest.skip("the default encoder is not here")
    return SpeakerEncoder.load(path)


def test_one_sample_voice_passes_and_two_do_not(default_encoder, samples_dir):
    wavs = {name: read_audio(samples_dir / f"{name}.flac") for name in ("awb", "rms", "slt")}
    for name, wav in wavs.items():
        assert examine_clip(name, wav, default_encoder).report.remarks == ()
    joined = np.concatenate([wavs["rms"][: 6 * 16_000], wavs["slt"][: 5 * 16_000]])
    clip = examine_clip("joined", joined, default_encoder)
    assert codes(clip.report.remarks) == {"several_voices"}
    assert clip.report.second_speaker is not None
    ((start, end),) = clip.report.second_speaker.spans
    assert start == pytest.approx(6, abs=1) and end == pytest.approx(11, abs=0.5)


@pytest.mark.parametrize("offset", [0.05, -0.05, 0.2, -0.5, 0.9])
def test_an_offset_neither_moves_the_embedding_nor_gives_a_remark(default_encoder, samples_dir, offset: float) -> None:
    wav = read_audio(samples_dir / "slt.flac")
    report = enrolment_report([("shifted", wav + np.float32(offset))], default_encoder)
    assert report.all_remarks == []
    assert report.embedding @ default_encoder.embed(wav) > 0.999


def test_good_recordings_get_no_remark(default_encoder, shared_dir: Path) -> None:
    for path in sorted((shared_dir / "data" / "demo_references" / "audio").iterdir()):
        assert examine_clip(path.name, read_audio(path), default_encoder).report.remarks == ()
