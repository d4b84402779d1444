"""Training of the unit encoder by masked prediction."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from corpora.store import FeatureStore, FeatureWriter
from speech.audio import SAMPLE_RATE, read_audio
from speech.errors import ConfigError, CorpusError
from synthesizer.text.front_end import text_to_transcript
from synthesizer.units import load_unit_encoder
from synthesizer.units.config import PHONES, MaskConfig, NetworkConfig, UnitConfig
from synthesizer.units.model import UnitNetwork
from synthesizer.units.task import (
    IGNORED,
    LabelledMels,
    MaskedBatches,
    PhoneLabels,
    UnitLabels,
    UnitTask,
    masked_batch,
    mfcc_units,
    open_speech,
)
from synthesizer.units.training import BASELINE, UnitFlags, train

NETWORK = NetworkConfig(width=16, layers=2, heads=2, feed_forward=32, position_kernel=5, dropout=0.0)
MASK = MaskConfig(probability=0.1, frames=4)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """Clips in which tones of three frequencies alternate."""
    folder = tmp_path_factory.mktemp("units") / "store"
    rng = np.random.default_rng(0)
    with FeatureWriter(folder) as writer:
        writer.write_info({"stage": "vocoder"})
        for split, count in (("train", 6), ("validation", 2)):
            for number in range(count):
                notes = np.repeat(rng.choice([300.0, 1000.0, 3000.0], 20), 1600)
                wav = 0.3 * np.sin(2 * np.pi * np.cumsum(notes) / 16_000) + 0.003 * rng.standard_normal(len(notes))
                samples = np.rint(32_767 * wav).astype(np.int16)
                writer.add(f"{split}/{number}", {"wav": samples}, {"speaker": f"{split}{number}", "split": split})
    with FeatureWriter(folder, "main") as writer:
        writer.merge_rejected()
    return FeatureStore(folder)


def test_masks_hide_at_least_one_frame_and_none_after_the_end() -> None:
    labels = np.full(30, 2, np.int64)
    labels[12:] = IGNORED
    crops = [(np.zeros((30, 80), np.float32), labels)] * 20
    batch = masked_batch(crops, MASK, np.random.default_rng(0))
    assert batch["masked"].any(dim=1).all()
    assert not batch["masked"][:, 12:].any()
    assert (batch["labels"][batch["masked"]] == 2).all()


def test_a_batch_depends_on_the_step_only(store: FeatureStore) -> None:
    data = LabelledMels(store, "train", UnitLabels(mfcc_units(store, 4)))
    batches = MaskedBatches(data, 3, 40, MASK, seed=1)
    batch = batches.batch_at(5)
    assert batch["mels"].shape == (3, 40, 80) and batch["labels"].shape == batch["masked"].shape == (3, 40)
    assert torch.equal(batch["mels"], batches.batch_at(5)["mels"])
    assert not torch.equal(batch["mels"], batches.batch_at(6)["mels"])


def test_short_clips_are_padded(store: FeatureStore) -> None:
    data = LabelledMels(store, "train", UnitLabels(mfcc_units(store, 4)))
    mels, labels = data.crop(0, 150, np.random.default_rng(0))
    assert len(data.mels[0]) == 100
    assert (labels[100:] == IGNORED).all() and (labels[:100] >= 0).all()
    assert not mels[100:].any()


def test_one_batch_overfits_and_one_step_changes_every_parameter(store: FeatureStore) -> None:
    torch.manual_seed(0)
    units = UnitLabels(mfcc_units(store, 4))
    data = LabelledMels(store, "train", units)
    task = UnitTask(UnitNetwork(NETWORK), units.classes, LabelledMels(store, "validation", units), 40, MASK)
    batch = MaskedBatches(data, 2, 40, MASK).batch_at(0)
    parameters = {**dict(task.model.named_parameters()), **dict(task.head.named_parameters())}
    before = {name: value.detach().clone() for name, value in parameters.items()}
    optimiser = torch.optim.Adam(parameters.values(), 1e-2)
    losses = []
    for step in range(40):
        optimiser.zero_grad()
        loss = task.step(batch, step, torch.Generator())["loss"]
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
        if step == 0:
            unchanged = [name for name, value in parameters.items() if torch.equal(value, before[name])]
            assert unchanged == []
    assert losses[-1] < 0.2 * losses[0]


def test_two_rounds_of_training(store: FeatureStore, tmp_path: Path) -> None:
    def flags(run: str, labels: Path | None = None) -> UnitFlags:
        config = UnitConfig(units=4, layer=1, network=NETWORK)
        return UnitFlags(
            store.directory, run=tmp_path / run, steps=3, batch_size=2, frames=40, labels=labels, mask=MASK,
            config=config, threads=1, device="cpu", precision="fp32", licence="CC0",
        )  # fmt: skip

    first = train(flags("first"))
    assert load_unit_encoder(first).header.licence == "CC0"
    assert load_unit_encoder(first.with_name(BASELINE)).kind == "mfcc"
    second = load_unit_encoder(train(flags("second", first)))
    wav = np.asarray(store.array(0, "wav")) / np.float32(32_768)
    assert second.config.layer == 1 and second.units == 4
    assert second.encode(wav).shape == (100,)


@pytest.fixture
def transcribed(tmp_path: Path, repository: Path) -> FeatureStore:
    """A sentence with its transcript, in each split; without one; and too short for it."""
    pytest.importorskip("pocketsphinx")
    wav = read_audio(repository / "samples" / "slt.flac")[: round(4.5 * SAMPLE_RATE)]
    samples = np.rint(32_767 * wav).astype(np.int16)
    text = text_to_transcript("The ferry leaves the northern harbor at dawn and crosses a quiet bay.").to_json()
    with FeatureWriter(tmp_path / "transcribed") as writer:
        writer.write_info({"stage": "synthesizer", "text_optional": True})
        for key, split, end, about in (
            ("a", "train", None, {"transcript": text}),
            ("b", "train", None, {}),
            ("c", "train", 400, {"transcript": text}),
            ("d", "validation", None, {"transcript": text}),
        ):
            writer.add(key, {"wav": samples[:end]}, {"speaker": key, "split": split, **about})
    with FeatureWriter(tmp_path / "transcribed", "main") as writer:
        writer.merge_rejected()
    return FeatureStore(tmp_path / "transcribed")


def test_labels_are_the_phones_of_the_transcript(transcribed: FeatureStore) -> None:
    data = LabelledMels(transcribed, "train", PhoneLabels())
    (labels,) = data.labels
    assert len(labels) == len(data.mels[0]) == 225
    changes = labels[np.flatnonzero(np.diff(labels, prepend=-1))]
    spoken = " ".join(PHONES[label - 1] for label in changes if label)
    assert spoken.startswith("DH AH F EH R IY L IY V Z DH AH N AO R DH ER N HH AA R B ER")
    assert labels[0] == labels[-1] == 0


def test_a_network_learns_phones(transcribed: FeatureStore, tmp_path: Path) -> None:
    flags = UnitFlags(
        transcribed.directory, run=tmp_path / "run", steps=3, batch_size=1, frames=40, mask=MASK, phones=True,
        config=UnitConfig(units=20, network=NETWORK), threads=1, device="cpu", precision="fp32",
    )  # fmt: skip
    assert load_unit_encoder(train(flags)).units == 20
    described = json.loads((tmp_path / "run" / "config.json").read_text())
    assert described["settings"]["labels"] == "phones"


def test_a_store_without_transcripts_has_no_phones(store: FeatureStore) -> None:
    with pytest.raises(CorpusError, match="no labelled utterances"):
        LabelledMels(store, "train", PhoneLabels())


def test_a_store_without_waveforms_is_refused(tmp_path: Path) -> None:
    with FeatureWriter(tmp_path / "store") as writer:
        writer.write_info({"stage": "encoder"})
        writer.add("a", {"mel": np.zeros((3, 40), np.float16)}, {"split": "train"})
    with pytest.raises(CorpusError, match=r"preprocess\.py vocoder"):
        open_speech(tmp_path / "store")


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 0},
        {"frames": 10},
        {"config": UnitConfig(layer=5)},
        {"phones": True, "labels": Path("units.safetensors")},
        {"recordings": 0},
    ],
)
def test_impossible_flags_are_refused(settings: dict) -> None:
    with pytest.raises(ConfigError):
        UnitFlags(Path("store"), **settings)
