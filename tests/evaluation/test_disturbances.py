from typing import Any

import numpy as np
import pytest
import soundfile

from corpora.splits import noise_split
from evaluation.disturbances import BABBLE_VOICES, Disturbance, Disturber, disturbances, reverberated
from evaluation.figures import mean
from evaluation.noise import NoiseSet, speech_level
from evaluation.report import Report, write_report
from evaluation.robustness import PICTURE, add_losses, main, plot_robustness
from modelfile.locations import SAMPLES
from speech.audio import read_audio
from speech.noise_mixing import rms
from speech.vad import prepare_with_windows


@pytest.fixture(scope="module")
def noises(tmp_path_factory):
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(0)
    held_out = [name for name in (f"noise{number}.wav" for number in range(40)) if noise_split(name) == "validation"]
    for name in held_out:
        soundfile.write(folder / name, 0.1 * rng.standard_normal(16_000), 16_000)
    return NoiseSet(folder)


@pytest.fixture(scope="module")
def speech():
    return read_audio(sorted(SAMPLES.glob("*.flac"))[0])


def voices_of(count: int):
    rng = np.random.default_rng(1)
    return {f"voice{number}": [rng.standard_normal(5_000).astype(np.float32)] for number in range(count)}


@pytest.mark.parametrize("kind", ["noise", "babble"])
@pytest.mark.parametrize("ratio", [20.0, 0.0])
def test_noise_and_babble_have_the_ratio_to_the_speech(noises, speech, kind, ratio):
    disturb = Disturber(noises, {"ann": [speech], **voices_of(BABBLE_VOICES)})
    found = disturb(speech, "ann", "ann#0", Disturbance(kind, ratio))
    scale = 1.0 if np.abs(found).max() < 1 else float(found @ speech / (speech @ speech))
    level = speech_level(speech, prepare_with_windows(speech)[1])
    assert 20 * np.log10(level / rms(found / scale - speech)) == pytest.approx(ratio, abs=0.5)
    assert np.array_equal(found, disturb(speech, "ann", "ann#0", Disturbance(kind, ratio)))


def test_reverberation_has_the_ratio_to_the_direct_sound():
    click = np.zeros(16_000, np.float32)
    click[100] = 0.5
    found = reverberated(click, 5.0, np.random.default_rng(0))
    tail = np.sum(found.astype(np.float64) ** 2) - found[100] ** 2
    assert 10 * np.log10(found[100] ** 2 / tail) == pytest.approx(5, abs=0.7)  # the direct sound has some of the tail
    first, last = (np.sum(found[start : start + 1_600] ** 2) for start in (200, 200 + 4_000))
    assert 10 * np.log10(first / last) == pytest.approx(30, abs=3)  # 60 dB in half a second


def test_babble_needs_enough_other_voices():
    assert {item.kind for item in disturbances((5.0,), BABBLE_VOICES)} == {"noise", "room"}
    assert len(disturbances((20.0, 5.0), BABBLE_VOICES + 1)) == 6


def test_losses_are_paired_and_drawn(tmp_path):
    def row(condition, key, cosine):
        return {"condition": condition, "key": key, "similarity": {"judge": {"cosine": cosine}}}

    rows = [
        row("clone, v", "a", 0.6), row("clone, v", "b", 0.4),
        row("clone, v, noise at 5 dB", "b", 0.3), row("clone, v, room at 5 dB", "a", None),
    ]  # fmt: skip
    figures = {condition: {"voice: cosine (judge)": mean([0.5])} for condition in {row["condition"] for row in rows}}
    add_losses(figures, rows, ["v"])
    loss = figures["clone, v, noise at 5 dB"]["voice: loss by the disturbance (judge)"]
    assert loss.n == 1
    assert loss.value == pytest.approx(0.1)
    assert "voice: loss by the disturbance (judge)" not in figures["clone, v"]
    plot_robustness(tmp_path / "report", figures, ["v"], (5.0,))
    assert (tmp_path / "report" / PICTURE).stat().st_size > 5_000


def test_two_reports_are_compared(tmp_path, capsys):
    for label, losses in (("vits", (0.1, 0.2)), ("spectral", (0.3, 0.5))):
        rows: list[dict[str, Any]] = [
            {"condition": f"clone, {label}{suffix}", "key": key, "similarity": {"judge": {"cosine": cosine}}}
            for key, loss in zip("ab", losses, strict=True)
            for suffix, cosine in (("", 0.6), (", noise at 5 dB", 0.6 - loss), (", noise at 20 dB", 0.6))
        ]
        figures = {row["condition"]: {"voice: cosine (judge)": mean([0.5])} for row in rows}
        write_report(tmp_path / label, Report("Voice cloning", {}, figures, rows))
    command = [str(tmp_path / "vits"), str(tmp_path / "spectral"), "--names", "VITS", "Tacotron 2", "--out"]
    assert main([*command, str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| loss of cosine | VITS | Tacotron 2 | difference |"
    (row,) = [line for line in lines if line.startswith("| noise at 5 dB (judge)")]
    assert [cell.split()[0] for cell in row.split(" | ")[1:]] == ["0.150", "0.400", "0.250"]
    assert (tmp_path / "out" / PICTURE).stat().st_size > 5_000
    clean = Report("Voice cloning", {}, {"clone, vits": {}}, [])
    write_report(tmp_path / "vits", clean)
    with pytest.raises(SystemExit) as stop:
        main([*command, str(tmp_path / "out")])
    assert stop.value.code == 2
    assert "make one first" in capsys.readouterr().err
