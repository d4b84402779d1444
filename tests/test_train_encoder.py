"""The training script from a store to model files, at toy size."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from corpora.store import FeatureWriter
from encoder import SpeakerEncoder
from encoder.campplus.config import CAMPPlusConfig
from encoder.campplus.family import CAMPPlusFlags
from encoder.config import ClusterConfig, DinoConfig, PartialsConfig, PseudoLabelConfig
from encoder.lstm.config import LSTMConfig
from encoder.lstm.family import LSTMFlags
from tests.training.runs import differences
from train_encoder import main
from training.flags import read_flags

TOY = LSTMConfig(hidden_size=8, num_layers=1, embedding_size=6, compression="log", partials=PartialsConfig(12, 6))

DINO = DinoConfig(utterances=4, long_frames=12, short_frames=8, prototypes=16, head_size=8, bottleneck_size=4)

CAMPPLUS = CAMPPlusConfig(
    embedding_size=6, head_channels=2, channels=4, growth_rate=2, bottleneck=2, layers=(1, 1, 1), segment_frames=5,
    partials=PartialsConfig(12, 6),
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_store(tmp_path_factory.mktemp("stores") / "encoder")


def fill_store(folder: Path, bands: int = 40) -> Path:
    """Four training and two validation speakers with two utterances each."""
    rng = np.random.default_rng(0)
    with FeatureWriter(folder) as writer:
        writer.write_info({"stage": "encoder", "n_mels": bands})
        for speaker in range(6):
            for utterance in range(2):
                meta = {"speaker": str(speaker), "corpus": "toy", "split": "train" if speaker < 4 else "validation"}
                mel = (rng.random((30, bands)) * rng.random(bands)).astype(np.float16)
                writer.add(f"{speaker}/{utterance}", {"mel": mel}, meta)
    return folder


def flags(store: Path, run: Path, **others) -> LSTMFlags:
    base = LSTMFlags(
        store, run=run, steps=6, speakers=3, threads=1, validate_every=3, save_every=2, model=TOY, pictures=False
    )
    return replace(base, **others)


def test_trains_validates_and_saves_a_model(store: Path, tmp_path: Path) -> None:
    main(flags(store, tmp_path / "run", licence="CC0"))
    encoder = SpeakerEncoder.load(tmp_path / "run" / "model.safetensors")
    assert encoder.config == TOY
    assert (encoder.step, encoder.licence, encoder.trained_on) == (6, "CC0", "toy")
    assert encoder.embedding_space.startswith("encoder-")
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if "validation/eer" in line] == [3, 6]


@pytest.mark.parametrize("objective", ["ge2e", "aam", "dino"])
def test_a_stopped_run_resumes_exactly(store: Path, tmp_path: Path, objective) -> None:
    main(flags(store, tmp_path / "whole", objective=objective, dino=DINO))
    for resume in (False, True):  # a run of no minutes takes one step
        main(flags(store, tmp_path / "resumed", objective=objective, dino=DINO, max_minutes=1e-9, resume=resume))
    main(flags(store, tmp_path / "resumed", objective=objective, dino=DINO, resume=True))
    assert differences(tmp_path / "resumed", tmp_path / "whole") == []


def test_a_run_resumes_by_its_directory_alone(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--speakers 3 --threads 1 --no-pictures --hidden-size 8 --num-layers 1 --embedding-size 6"
    start = [str(store), *words.split()]
    monkeypatch.setattr("sys.argv", ["train_encoder.py", *start, "--run", str(tmp_path / "run"), "--steps", "2"])
    main()
    monkeypatch.setattr("sys.argv", ["train_encoder.py", "--run", str(tmp_path / "run"), "--resume", "--steps", "4"])
    main()
    assert SpeakerEncoder.load(tmp_path / "run" / "model.safetensors").step == 4
    settings = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))["settings"]
    assert (settings["batch"]["speakers"], settings["store"]) == (3, str(store))
    monkeypatch.setattr("sys.argv", [*["train_encoder.py", "--run", str(tmp_path / "run"), "--resume"], "--speakers=4"])
    with pytest.raises(SystemExit):
        main()
    assert "speakers = 3, not 4" in capsys.readouterr().err


def test_from_is_the_file_to_start_from() -> None:
    assert read_flags("encoder", ["store", "--from", "a.safetensors"]).init == Path("a.safetensors")


def test_former_flags_are_accepted() -> None:
    words = ["store", "--augmentation.chorus-probability", "0.5", "--augmentation.chorus_ratio_db", "3", "9"]
    augmentation = read_flags("encoder", [*words, "--augmentation.pause-share", "0.2", "0.4"]).augmentation
    assert (augmentation.second_speaker_probability, augmentation.second_speaker_ratio_db) == (0.5, (3, 9))
    assert augmentation.pause_fraction == (0.2, 0.4)


def test_a_student_has_the_embedding_space_of_its_teacher(store: Path, tmp_path: Path) -> None:
    main(flags(store, tmp_path / "teacher", steps=1))
    teacher = tmp_path / "teacher" / "model.safetensors"
    main(flags(store, tmp_path / "student", teacher=teacher, steps=2))
    student = SpeakerEncoder.load(tmp_path / "student" / "best.safetensors")
    assert student.embedding_space == SpeakerEncoder.load(teacher).embedding_space


def test_training_starts_from_a_model_file(store: Path, tmp_path: Path) -> None:
    main(flags(store, tmp_path / "first", steps=1))
    first = tmp_path / "first" / "model.safetensors"
    other_sizes = replace(TOY, hidden_size=9)  # ignored: the sizes are those of the file
    main(flags(store, tmp_path / "second", init=first, steps=1, learning_rate=1e-7, model=other_sizes))
    before, after = (load_file(path) for path in (first, tmp_path / "second" / "model.safetensors"))
    for name, value in before.items():
        np.testing.assert_allclose(value, after[name], atol=1e-5, err_msg=name)


def test_a_store_of_another_number_of_bands_is_refused(store: Path, tmp_path: Path, capsys) -> None:
    main_flags = CAMPPlusFlags(store, run=tmp_path / "run", model=CAMPPLUS)
    with pytest.raises(SystemExit):
        main(main_flags)
    assert "has 40 mel bands and the encoder takes 80" in capsys.readouterr().err


@pytest.fixture(scope="module")
def wide_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_store(tmp_path_factory.mktemp("stores") / "wide", bands=80)


def campplus_flags(store: Path, run: Path, **others) -> CAMPPlusFlags:
    base = CAMPPlusFlags(
        store, run=run, steps=6, speakers=3, threads=1, validate_every=3, save_every=2, model=CAMPPLUS, pictures=False,
        dino=DINO,
    )  # fmt: skip
    return replace(base, **others)


@pytest.mark.parametrize(("objective", "utterances"), [("ge2e", 2), ("aam", 1), ("dino", 2)])
def test_campplus_is_trained_and_resumed_exactly(wide_store: Path, tmp_path: Path, objective, utterances) -> None:
    chosen = {"objective": objective, "utterances": utterances}
    main(campplus_flags(wide_store, tmp_path / "whole", **chosen))
    for resume in (False, True):  # a run of no minutes takes one step
        flags = campplus_flags(wide_store, tmp_path / "resumed", resume=resume, **chosen)
        main(replace(flags, max_minutes=1e-9))
    main(campplus_flags(wide_store, tmp_path / "resumed", resume=True, **chosen))
    assert differences(tmp_path / "resumed", tmp_path / "whole") == []
    encoder = SpeakerEncoder.load(tmp_path / "whole" / "best.safetensors")
    assert (encoder.kind, encoder.config) == ("campplus", CAMPPLUS)
    log = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if "validation/eer" in line] == [3, 6]


CLUSTERS = ClusterConfig(count=3, every=0.5, start=0.0, windows=2)


def test_cluster_dino_is_resumed_exactly(wide_store: Path, tmp_path: Path) -> None:
    """Stopped between a clustering and its first use. There are two clusterings, after the steps 1 and 9."""
    whole = flags_of_clusters(wide_store, tmp_path / "whole", objective="cluster-dino", steps=20)
    main(whole)
    resumed = replace(whole, run=tmp_path / "resumed", max_minutes=1e-9)
    main(resumed)  # a run of no minutes takes one step
    main(replace(resumed, resume=True))
    main(replace(whole, run=resumed.run, resume=True))
    same_models(whole.run, resumed.run)
    log = read_log(whole.run)
    clustered = [line for line in log if "purity" in line]
    assert clustered and all(0.25 <= line["purity"] <= 1 and 0 <= line["nmi"] <= 1 for line in clustered)


def test_pseudo_labels_are_resumed_exactly(wide_store: Path, tmp_path: Path) -> None:
    main(campplus_flags(wide_store, tmp_path / "dino", objective="dino", steps=2))
    start = tmp_path / "dino" / "best.safetensors"
    whole = flags_of_clusters(wide_store, tmp_path / "whole", objective="pseudo-labels", init=start)
    main(whole)
    resumed = replace(whole, run=tmp_path / "resumed", max_minutes=1e-9)
    main(resumed)
    for _ in range(2):  # an epoch has two steps
        main(replace(resumed, resume=True))
    main(replace(whole, run=resumed.run, resume=True))
    same_models(whole.run, resumed.run)
    figures = [line for line in read_log(whole.run) if "validation/reliable" in line]
    assert figures and {"validation/purity", "validation/gate", "validation/right_labels_kept"} <= set(figures[-1])
    assert figures[-1]["validation/newest_step"] == whole.steps


def test_iterations_are_one_command_that_is_resumed_at_each_point(wide_store: Path, tmp_path: Path) -> None:
    pseudo = PseudoLabelConfig(utterances=4, iterations=2, steps=4)
    whole = flags_of_clusters(wide_store, tmp_path / "whole", objective="iterations", pseudo=pseudo)
    main(whole)
    names = ["cluster-dino", "pseudo-labels-1", "pseudo-labels-2"]
    steps = [SpeakerEncoder.load(whole.run / name / "best.safetensors").step for name in names]
    assert steps == [whole.steps, 4, 4]
    resumed = replace(whole, run=tmp_path / "resumed", max_minutes=1e-9)
    main(resumed)
    assert sorted(path.name for path in resumed.run.iterdir()) == ["cluster-dino", "config.json"]
    for _ in range(3):
        main(replace(resumed, resume=True))
    main(replace(whole, run=resumed.run, resume=True))
    same_models(whole.run / names[-1], resumed.run / names[-1])


def test_iterations_are_resumed_by_their_directory_alone(
    wide_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = """--model campplus --objective iterations --threads 1 --no-pictures --embedding-size 6 --head-channels 2
        --channels 4 --growth-rate 2 --bottleneck 2 --layers 1 1 1 --partial-frames 12 --partial-step 6
        --dino.utterances 4 --dino.long-frames 12 --dino.short-frames 8 --dino.prototypes 16 --dino.head-size 8
        --cluster.count 3 --pseudo.utterances 4 --pseudo.iterations 1 --steps 3"""
    run = str(tmp_path / "run")
    start = [str(wide_store), *words.split(), "--run", run, "--max-minutes", "1e-9"]
    monkeypatch.setattr("sys.argv", ["train_encoder.py", *start])
    main()
    monkeypatch.setattr("sys.argv", ["train_encoder.py", "--run", run, "--resume", "--max-minutes", "0"])
    main()
    assert SpeakerEncoder.load(tmp_path / "run" / "pseudo-labels-1" / "best.safetensors").step == 3
    alone = ["--run", f"{run}/pseudo-labels-1", "--resume", "--steps", "5"]  # one training of the sequence
    monkeypatch.setattr("sys.argv", ["train_encoder.py", *alone])
    main()
    assert SpeakerEncoder.load(tmp_path / "run" / "pseudo-labels-1" / "best.safetensors").step == 5
    monkeypatch.setattr("sys.argv", ["train_encoder.py", *start])
    with pytest.raises(SystemExit):
        main()
    assert "already holds a training run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("others", "sentence"),
    [
        ({"objective": "pseudo-labels"}, "--from FILE"),
        ({"objective": "cluster-dino", "cluster": ClusterConfig(count=50)}, "50 clusters"),
        ({"objective": "iterations", "init": Path("a.safetensors")}, "--from"),
        ({"objective": "iterations", "resume": True}, "no --objective iterations"),
    ],
)
def test_wrong_flags_of_clusters_end_with_one_sentence(wide_store, tmp_path, capsys, others, sentence) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(flags_of_clusters(wide_store, tmp_path / "run", **others))
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def flags_of_clusters(store: Path, run: Path, **others) -> CAMPPlusFlags:
    settings = {"steps": 16, "cluster": CLUSTERS, "pseudo": PseudoLabelConfig(utterances=4), "validate_every": 8}
    return campplus_flags(store, run, **{**settings, **others})


def same_models(first: Path, second: Path) -> None:
    one, two = (load_file(run / "model.safetensors") for run in (first, second))
    assert one.keys() == two.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, two[name], err_msg=name)


def read_log(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_dino_needs_no_speaker_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with FeatureWriter(tmp_path / "store") as writer:
        writer.write_info({"stage": "encoder", "n_mels": 80})
        for number in range(6):
            meta = {"speaker": "flat", "corpus": "flat", "split": "train" if number < 5 else "validation"}
            writer.add(f"flat/{number}", {"mel": rng.random((30, 80)).astype(np.float16)}, meta)
    main(campplus_flags(tmp_path / "store", tmp_path / "run", objective="dino"))
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["validation/teacher_step"] for line in log if "validation/spread" in line] == [3, 6]
    assert all({"teacher_entropy", "marginal_entropy", "spread"} <= set(line) for line in log if "loss" in line)
    assert SpeakerEncoder.load(tmp_path / "run" / "best.safetensors").step == 6


def test_a_teacher_is_refused_with_other_objectives(wide_store: Path, tmp_path: Path, capsys) -> None:
    main(campplus_flags(wide_store, tmp_path / "teacher", steps=1))
    teacher = tmp_path / "teacher" / "model.safetensors"
    with pytest.raises(SystemExit):
        main(campplus_flags(wide_store, tmp_path / "run", teacher=teacher))
    assert "give --objective ge2e" in capsys.readouterr().err


def test_trains_with_noise_from_a_store(store: Path, tmp_path: Path, capsys) -> None:
    rng = np.random.default_rng(1)
    with FeatureWriter(tmp_path / "noise") as writer:
        writer.write_info({"stage": "noise"})
        for split in ("train", "validation"):
            writer.add(split, {"mel": rng.random((50, 40)).astype(np.float16)}, {"split": split})
    main(flags(store, tmp_path / "run", noise=tmp_path / "noise", ge2e="contrast", windows_per_utterance=2))
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert all(0 <= line["validation/noisy_eer"] <= 1 for line in log if "validation/noisy_eer" in line)
    with pytest.raises(SystemExit):
        main(flags(store, tmp_path / "other", noise=store))
    assert "holds no noise" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("others", "sentence"),
    [
        ({"resume": True}, "no training run"),
        ({"speakers": 5}, "4 train speakers"),
        ({"utterances": 1}, "--utterances must be at least 2"),
        ({"teacher": Path("missing.safetensors")}, "no model file"),
        ({"teacher": Path("public.pt")}, "encoder.convert"),
        ({"distill_weight": 1.0}, "--teacher"),
        ({"noise": Path("missing")}, "not a feature store"),
    ],
)
def test_wrong_flags_end_with_one_sentence(store: Path, tmp_path: Path, capsys, others: dict, sentence: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(flags(store, tmp_path / "run", **others))
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert sentence in error


def test_a_missing_store_ends_with_one_sentence(tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(flags(tmp_path / "nowhere", tmp_path / "run"))
    assert stopped.value.code == 2
    assert "not a feature store" in capsys.readouterr().err
