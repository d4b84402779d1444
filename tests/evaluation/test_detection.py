"""The store, the training, the figures and the command of the detector."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from corpora.corpus import Utterance
from corpora.store import FeatureStore, FeatureWriter
from detector import Detector
from detector.config import DetectorConfig
from detector.model import DetectorNetwork
from evaluation import detection, detection_set, detection_training
from evaluation.detection_clips import CONDITIONS, DRAWN, RECORDED, STAGE, UNCODED, Clip
from evaluation.detection_figures import detection_report, f_score
from evaluation.detection_task import DetectionBatches, Scored, calibrate, is_held_out, score_split
from evaluation.distortions import Distortions
from speech.audio import pcm16, read_audio, write_audio
from speech.errors import ConfigError, CorpusError

TOY = DetectorConfig(windows=(128,), channels=(4, 6), hidden=8)
GENERATORS = (RECORDED, "copy, a", "teacher")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """Noise as recordings, noise with a tone as synthesized speech."""
    folder = tmp_path_factory.mktemp("detection") / "set"
    rng = np.random.default_rng(0)
    with FeatureWriter(folder) as writer:
        writer.write_info({"stage": STAGE, "sample_rate": 16_000})
        for split, conditions in (
            ("train", (DRAWN,)),
            ("calibration", (CONDITIONS[0],)),
            ("test", (*CONDITIONS[:2], UNCODED)),
        ):
            for generator in GENERATORS:
                for number in range(8):
                    for condition in conditions:
                        if generator == RECORDED and condition == UNCODED:
                            continue
                        wav = 0.1 * rng.standard_normal(12_000)
                        if generator != RECORDED:
                            wav += 0.3 * np.sin(0.3 * np.arange(12_000)) * (np.arange(12_000) // 1000 % 2)
                        meta = {
                            "speaker": f"{split}{number}",
                            "split": split,
                            "generator": generator,
                            "condition": condition,
                        }
                        writer.add(f"{generator}/{split}{number}|{condition}", {"wav": pcm16(wav)}, meta)
    with FeatureWriter(folder, "main") as writer:
        writer.merge_rejected()
    return FeatureStore(folder)


def test_half_of_a_batch_is_recorded_and_generators_are_equally_frequent(store: FeatureStore) -> None:
    batches = DetectionBatches(store, 64, 16_000, seed=1)
    batch = batches.batch_at(3)
    assert batch["wave"].shape == (64, 16_000)
    assert float(batch["synthetic"].mean()) == 0.5
    assert torch.equal(batch["wave"], batches.batch_at(3)["wave"])
    assert batches.generators == ["copy, a", "teacher"]


def test_held_out_generators_are_not_used(store: FeatureStore) -> None:
    assert DetectionBatches(store, 4, 8000, ["teacher"]).generators == ["copy, a"]
    assert is_held_out("clone, wavernn", ["wavernn"]) and not is_held_out(RECORDED, ["record"])
    with pytest.raises(CorpusError, match="synthesized"):
        DetectionBatches(store, 4, 8000, ["teacher", "copy"])


def test_scores_of_a_split(store: FeatureStore) -> None:
    network = DetectorNetwork(TOY).train()
    scored = score_split(network, store, "test", ["teacher"])
    assert Counter(scored.generators) == {RECORDED: 16, "copy, a": 24}
    assert set(score_split(network, store, "test", ["teacher"], only=True).generators) == {RECORDED, "teacher"}
    assert network.training


def test_calibration_gives_true_probabilities() -> None:
    rng = np.random.default_rng(0)
    synthetic = np.arange(4000) % 4 == 0  # the odds are for equal frequency all the same
    scores = rng.normal(np.where(synthetic, 3.0, 1.0), 1.0)  # log odds of equal classes: 2 * score - 4
    generators = tuple("copy" if one else RECORDED for one in synthetic)
    factor, offset = calibrate(Scored(scores, generators, ("as it is",) * len(scores)))
    assert factor == pytest.approx(2, abs=0.2)
    assert offset == pytest.approx(-4, abs=0.4)


def test_f_score_weighs_both_classes_equally() -> None:
    synthetic = np.array([True] * 2 + [False] * 8)
    detected = np.array([True, False] + [True] * 2 + [False] * 6)
    assert f_score(synthetic, detected) == pytest.approx(2 * 0.5 / (1 + 0.5 + 0.25))
    assert f_score(synthetic, np.zeros(10, bool)) == 0


def test_the_report_has_a_column_for_each_condition_and_generator(store: FeatureStore) -> None:
    report = detection_report(Detector(DetectorNetwork(TOY)), store, ["teacher"])
    text = report.to_markdown()
    assert "unseen, as it is" in text and "found: copy, a" in text
    assert report.figures["as it is"]["equal error rate"].value is not None
    assert report.figures["8 kHz"] == {}
    assert report.figures[UNCODED]["found: copy, a"].n == 8


def test_training_writes_a_calibrated_detector_and_a_report(store: FeatureStore, tmp_path: Path) -> None:
    flags = detection_training.DetectionFlags(
        store.directory, run=tmp_path / "run", steps=40, batch_size=8, seconds=0.5, learning_rate=1e-2, threads=1,
        device="cpu", precision="fp32", licence="CC0", config=TOY,
    )  # fmt: skip
    report = detection_training.train(flags)
    detector = Detector.load(tmp_path / "run" / detection_training.OUTPUT)
    assert detector.header.licence == "CC0" and "calibrated_on" in detector.header.extra
    assert not torch.equal(detector.network.calibration, torch.tensor([1.0, 0.0]))
    value = report.figures["as it is"]["equal error rate"].value
    assert value is not None and value < 0.2
    assert (tmp_path / "run" / "report.md").is_file()


def test_a_store_of_another_stage_is_refused(tmp_path: Path) -> None:
    with FeatureWriter(tmp_path / "other") as writer:
        writer.write_info({"stage": "vocoder"})
    with pytest.raises(CorpusError, match=r"evaluation\.detection_set"):
        detection_training.train(detection_training.DetectionFlags(tmp_path / "other", run=tmp_path / "run"))


@pytest.mark.parametrize("settings", [{"batch_size": 1}, {"seconds": 0.1}])
def test_impossible_flags_are_refused(settings: dict) -> None:
    with pytest.raises(ConfigError):
        detection_training.DetectionFlags(Path("store"), **settings)


def test_distortions(repository: Path) -> None:
    wav = read_audio(repository / "samples" / "slt.flac")[16_000:48_000]
    distortions = Distortions(None, seed=0)

    def conditions(split: str, generator: str) -> dict[str, np.ndarray]:
        return dict(distortions.conditions_of(Clip("key", "slt", split, generator, wav)))

    assert set(conditions("train", RECORDED)) == {DRAWN}
    test = conditions("test", "copy, a")
    assert set(test) == {*CONDITIONS, UNCODED}
    assert not np.array_equal(test[CONDITIONS[0]], test[UNCODED])  # synthesized speech is coded as recordings are
    assert set(conditions("test", RECORDED)) == set(CONDITIONS)
    assert set(conditions("calibration", "copy, a")) == {CONDITIONS[0], DRAWN, UNCODED}


def test_the_set_has_copies_of_its_own_recordings(tmp_path: Path, repository: Path, monkeypatch) -> None:
    corpus = tmp_path / "corpus"
    wav = read_audio(repository / "samples" / "slt.flac")
    for speaker in ("a", "b"):
        (corpus / speaker).mkdir(parents=True)
        for number in range(2):
            part = wav[16_000 * number :][:48_000]
            write_audio(corpus / speaker / f"{number}.wav", part * (1 if speaker == "a" else 0.5))
    monkeypatch.setattr(
        detection_set.SetSettings, "count", lambda self, kind, split: {"recording": 9, "copy": 1}.get(kind, 0)
    )
    settings = detection_set.SetSettings((corpus,), out=tmp_path / "set", vocoder=("griffin-lim",), recordings=20)
    detection_set.make_set(settings)
    store = FeatureStore(tmp_path / "set")
    found = Counter((store.meta(index)["split"], store.meta(index)["generator"]) for index in range(len(store)))
    # Of few speakers, an utterance is held out. It is not used at all, because its speaker is trained on.
    assert found == {("train", RECORDED): 3, ("train", "copy, griffin-lim"): 1}
    detection_set.make_set(settings)  # nothing is left to do
    assert len(FeatureStore(tmp_path / "set")) == len(store)


def test_no_speaker_is_in_two_splits() -> None:
    names = [f"speaker {number}" for number in range(30)]
    items = [Utterance(f"c/{name}/{part}", Path(), 0.0, 3.0, name, "", "c") for name in names for part in range(2)]
    material = SimpleNamespace(choose=lambda: items, splits={item.key: "train" for item in items})
    material.splits |= {f"c/{name}/0": "validation" for name in names[10:]}
    material.splits |= {f"c/{name}/1": "validation" for name in names[15:]}
    material.splits |= {f"c/{names[29]}/{part}": "evaluation" for part in range(2)}
    found = {
        split: {item.speaker for item in part}
        for split, part in detection_set.utterances_by_split(material).items()  # type: ignore[arg-type]
    }
    assert found["train"] == set(names[:15])
    assert found["calibration"] and found["test"] and names[29] in found["test"]
    assert found["calibration"] | found["test"] == set(names[15:])
    assert not found["calibration"] & found["test"]


def test_the_command_prints_a_line_for_each_file(tmp_path: Path, repository: Path, capsys) -> None:
    torch.manual_seed(0)
    Detector(DetectorNetwork(TOY)).save(tmp_path / "detector.safetensors")
    words = [str(repository / "samples" / "slt.flac"), "--detector", str(tmp_path / "detector.safetensors")]
    assert detection.main(words) == 0
    assert "slt.flac: " in capsys.readouterr().out
    assert detection.main([str(tmp_path / "missing.wav"), *words]) == 2
    printed = capsys.readouterr()
    assert "slt.flac: " in printed.out and "no result" in printed.err
