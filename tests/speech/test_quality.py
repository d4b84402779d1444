"""The quality check passes clean speech and names the problems of other clips."""

import csv
from pathlib import Path

import numpy as np
import pytest

from speech.audio import SAMPLE_RATE, read_audio
from speech.errors import AudioError
from speech.quality import check_reference, clipped_fraction, noise_ratios
from tests.speech.clips import FakePartials, band, mixed, tune
from tests.toy_models import speech_like

NAN_REPORT_FIELDS = ("seconds", "speech_seconds", "clipped_fraction")


def codes(report, severity: str | None = None) -> set[str]:
    return {remark.code for remark in report.remarks if severity in (None, remark.severity)}


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, level, int(seconds * SAMPLE_RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def data_dir(shared_dir: Path) -> Path:
    return shared_dir / "data"


@pytest.fixture(scope="module")
def references(data_dir: Path) -> list[np.ndarray]:
    return [read_audio(path) for path in sorted((data_dir / "demo_references" / "audio").iterdir())]


def some_clips(corpus: Path, count: int) -> list[Path]:
    with open(corpus / "metadata.csv", encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if float(row["duration_s"]) > 4]
    return [corpus / row["path"] for row in rows[:: max(1, len(rows) // count)]][:count]


# --- synthetic clips ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wav", [np.zeros(0), np.zeros(5 * SAMPLE_RATE), noise(5, level=1e-5)], ids=str)
def test_silence(wav):
    report = check_reference(wav)
    assert codes(report) == {"silent"}
    with pytest.raises(AudioError, match="silent"):
        report.raise_for_errors()


def test_steady_noise_and_a_hum_are_not_speech():
    time = np.arange(5 * SAMPLE_RATE) / SAMPLE_RATE
    hum = 0.3 * np.sign(np.sin(2 * np.pi * 120 * time)).astype(np.float32)
    for wav in (noise(5), hum):
        assert "not_speech" in codes(check_reference(wav), "error")
    assert "noisy" in codes(check_reference(noise(5)), "error")


def test_very_short_clips():
    for samples in (1, 2, 100, 479, 480, 481, 640, 5000, SAMPLE_RATE):
        report = check_reference(noise(1)[:samples])
        assert "too_short" in codes(report, "error")
        assert all(np.isfinite(getattr(report, field)) for field in NAN_REPORT_FIELDS)


def test_stereo_and_nan_are_refused():
    with pytest.raises(AudioError):
        check_reference(np.zeros((2, SAMPLE_RATE), dtype=np.float32))
    with pytest.raises(AudioError):
        check_reference(np.full(SAMPLE_RATE, np.nan, dtype=np.float32))


def test_clipping_is_found_at_any_level():
    wav = np.clip(noise(1, level=0.5), -1, 1)
    fraction = float(np.mean(np.abs(wav) == 1))
    for gain in (1.0, 0.1):
        assert clipped_fraction(gain * wav) == pytest.approx(fraction, rel=0.1)
    assert clipped_fraction(noise(1)) < 5e-4
    assert clipped_fraction(np.full(10, -0.5, dtype=np.float32)) == 1  # one sign only


@pytest.mark.parametrize("offset", [0.05, -0.05, 0.2, 0.5])
def test_an_offset_gives_no_remark(offset):
    wav = speech_like(6.0)
    report = check_reference(wav + np.float32(offset))
    assert report.remarks == check_reference(wav).remarks == ()
    assert codes(check_reference(np.full(5 * SAMPLE_RATE, offset))) == {"silent"}


def test_a_clip_of_music_has_no_other_remark():
    for wav in (tune(6, 1), band(6, 2)):
        report = check_reference(wav, FakePartials([0, 0, 0, 1, 1, 1], spread=0.4))
        assert codes(report) == {"music"}
        with pytest.raises(AudioError, match="mostly music"):
            report.raise_for_errors()


def test_music_behind_speech_is_named_with_its_time():
    wav = speech_like(12.0)
    music = tune(12.0, 3)
    music[: 6 * SAMPLE_RATE] = 0
    report = check_reference(mixed(wav, music, 8))
    assert "music" not in codes(check_reference(wav))
    sentence = next(remark.sentence for remark in report.remarks if remark.code == "music")
    assert "from 6 s to" in sentence and "from 0 s" not in sentence


def test_consistency_of_partials():
    wav = speech_like(6.0)
    assert np.isnan(check_reference(wav).consistency)
    alike = check_reference(wav, FakePartials([0] * 6, spread=0.2)).consistency
    unlike = check_reference(wav, FakePartials([0] * 6, spread=1.0)).consistency
    assert 0 < unlike < alike < 1


def test_errors_come_first():
    report = check_reference(np.clip(50 * speech_like(3.0), -1, 1))
    severities = [remark.severity for remark in report.remarks]
    assert severities == sorted(severities, key=["error", "warning"].index)
    assert {"clipped", "too_short"} <= codes(report)


# --- recordings -----------------------------------------------------------------------------------------------------


def test_clean_references_pass(references):
    for wav in references:
        report = check_reference(wav, FakePartials([0] * 6, spread=0.5))
        assert not report.remarks
        report.raise_for_errors()
        assert 4 < report.speech_seconds <= report.seconds
        assert report.snr_db > 15


@pytest.mark.parametrize("corpus", ["librispeech_test_other", "vctk_samples", "ljspeech_samples", "kathleen"])
def test_clean_corpora_pass(data_dir, corpus):
    for path in some_clips(data_dir / corpus, 4):
        assert not check_reference(read_audio(path)).errors, path.name


def test_noise_alone_is_refused(data_dir):
    for kind in ("rain", "sea_waves"):
        for path in sorted((data_dir / "noise" / "audio").glob(f"{kind}_*"))[:4]:
            assert check_reference(read_audio(path)).errors, path.name


def test_short_clips_are_errors_or_warnings(references):
    wav = references[0]
    assert "too_short" in codes(check_reference(wav[: int(1.2 * SAMPLE_RATE)]), "error")
    assert "too_short" in codes(check_reference(wav[: int(3.2 * SAMPLE_RATE)]), "warning")
    assert "too_short" not in codes(check_reference(np.tile(wav, 2)))


@pytest.mark.parametrize("wanted_db", [5, 10, 20])
def test_snr_estimate_of_mixtures(data_dir, references, wanted_db):
    rain = read_audio(min((data_dir / "noise" / "audio").glob("rain_*")))
    estimates = []
    for wav in references:
        length = min(len(wav), len(rain))
        gain = np.sqrt(np.mean(wav**2) / np.mean(rain**2) / 10 ** (wanted_db / 10))
        estimates.append(min(noise_ratios(wav[:length] + np.float32(gain) * rain[:length])))
    assert abs(float(np.median(estimates)) - wanted_db) < 3


def test_noisy_and_clipped_recordings(references):
    wav = references[1]
    rms = float(np.sqrt(np.mean(wav**2)))
    assert "noisy" in codes(check_reference(wav + noise(len(wav) / SAMPLE_RATE, level=rms / 3)[: len(wav)]))
    drowned = wav + noise(len(wav) / SAMPLE_RATE, level=2 * rms)[: len(wav)]
    assert "noisy" in codes(check_reference(drowned), "error")
    loud = wav / np.abs(wav).max()
    assert "clipped" in codes(check_reference(np.clip(2.5 * loud, -1, 1)), "warning")
    assert "clipped" in codes(check_reference(np.clip(15 * loud, -1, 1)), "error")


def test_a_second_speaker_is_a_warning_with_its_time(references):
    report = check_reference(references[0], FakePartials([0] * 5 + [1] * 4, spread=0.4))
    assert "several_voices" in codes(report, "warning")
    assert report.second_speaker is not None
    remark = next(remark for remark in report.remarks if remark.code == "several_voices")
    start, end = report.second_speaker.spans[0]
    assert f"from {start:.0f} s to {end:.0f} s" in remark.sentence
    assert all("\n" not in remark.sentence and remark.sentence.endswith(".") for remark in report.remarks)


@pytest.mark.parametrize("corpus", ["vctk_samples", "speechocean762_adults", "ljspeech_samples", "kathleen"])
def test_clean_clips_have_no_remark_except_on_length(data_dir, corpus):
    for path in some_clips(data_dir / corpus, 6):
        assert codes(check_reference(read_audio(path))) <= {"too_short"}, path.name


@pytest.mark.parametrize("corpus", ["vctk_samples", "speechocean762_adults", "ljspeech_samples", "kathleen"])
def test_short_clean_clips_are_not_noisy(data_dir, corpus):
    """Segments of fluent speech, without the pauses at the ends of a clip. Few have none of their own either."""
    noisy = []
    for path in some_clips(data_dir / corpus, 8):
        wav = read_audio(path)
        for samples in (int(seconds * SAMPLE_RATE) for seconds in (1.7, 2.0, 2.5, 3.0, 4.0)):
            for segment in (wav[SAMPLE_RATE // 2 :][:samples], wav[len(wav) // 2 :][:samples]):
                if len(segment) == samples:
                    noisy.append("noisy" in codes(check_reference(segment)))
    assert len(noisy) >= 50 and np.mean(noisy) < 0.07


@pytest.mark.parametrize("seconds", [1.7, 2.0, 2.5, 3.0])
@pytest.mark.parametrize("kind", ["rain", "helicopter"])
def test_noise_in_short_clips_is_found(data_dir, references, kind, seconds):
    for path, wav in zip(sorted((data_dir / "noise" / "audio").glob(f"{kind}_*"))[:4], references, strict=False):
        segment = wav[SAMPLE_RATE // 2 :][: int(seconds * SAMPLE_RATE)]
        assert "noisy" in codes(check_reference(mixed(segment, read_audio(path), 10))), path.name


@pytest.mark.parametrize("kind", ["rain", "sea_waves", "helicopter"])
@pytest.mark.parametrize("decibels", [5, 10])
def test_recorded_noise_behind_a_voice(data_dir, references, kind, decibels):
    for path, wav in zip(sorted((data_dir / "noise" / "audio").glob(f"{kind}_*"))[:4], references, strict=False):
        assert "noisy" in codes(check_reference(mixed(wav, read_audio(path), decibels))), path.name


def test_music_behind_a_voice(references):
    for seed, wav in enumerate(references):
        music = tune(len(wav) / SAMPLE_RATE, seed)
        assert "music" in codes(check_reference(mixed(wav, music, 8))), seed
