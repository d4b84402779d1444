"""Speech for training and measuring the detector: recordings, and synthesized speech of every vocoder and of the chain.

    python -m evaluation.detection_set CORPUS ... --generator teacher=FOLDER --noise FOLDER --out stores/detection

Recordings are split by speaker (`corpora.splits`): those of the training split for training, half of the other speakers
for the calibration, the other half and the evaluation corpora for the test. Copies (mel and vocoder) and clones are
made of recordings of the same split, so that speakers, texts and microphones are the same for both classes.

Corpora are usually distributed with lossy coding. A detector would learn to recognise that, so all synthesized speech
for training is coded as well. Level, silences and highest frequencies are removed by the detector itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from corpora.corpus import Utterance, read_utterance
from corpora.splits import is_held_out
from evaluation.detection_clips import RECORDED, SPLITS, STAGE, Clip
from evaluation.settings import Corpora, labelled
from modelfile.locations import DEFAULT_MODELS
from speech.errors import AudioError, ConfigError, exit_on_speech_error

if TYPE_CHECKING:
    from cloning import VoiceCloner
    from cloning.speech_model import SynthesizerModel
    from evaluation.sets import Material

SECONDS = 3.0  # of a clip
MIN_SECONDS = 1.2
TEXT_WORDS = (4, 16)


@dataclass(frozen=True)
class SetSettings:
    """Make a store of recorded and synthesized speech for `python -m evaluation.detection_training`."""

    corpora: Corpora
    """Corpora of recordings: folders or lhotse manifests."""
    generator: tuple[str, ...] = ()
    """Synthesized speech of other models: label=CORPUS each."""
    noise: Path | None = None
    """Folder of noises to mix in. Those that are held out are used in the test only."""
    out: Path = Path("stores/detection")
    """Feature store to write; an interrupted one is continued."""
    recordings: int = 900
    """Recordings for training. Of other kinds there are fewer, in proportion."""
    vocoder: tuple[str, ...] = ("spectral", "wavernn", "griffin-lim")
    """Vocoders of the copies and clones: family names, model files, or label=FILE."""
    models: Path = DEFAULT_MODELS
    """Folder of the models that make clones, in which family names are looked up."""
    seed: int = 0
    """Seed of the choice of clips, of the vocoders, and of the distortions."""

    def __post_init__(self) -> None:
        if self.recordings < 20:
            raise ConfigError(f"--recordings must be at least 20, not {self.recordings}.")

    def count(self, kind: str, split: str) -> int:
        """Number of recordings, or of copies or clones of each vocoder, or of clips of each other generator."""
        shares = {"recording": 1.0, "copy": 0.2, "clone": 0.16, "other": 0.4}
        test = {"recording": 0.12, "copy": 0.025, "clone": 0.025, "other": 0.05}
        return round(self.recordings * (shares if split == "train" else test)[kind])


def make_set(settings: SetSettings) -> None:
    """Fill the store.

    Raises:
        SpeechError: a corpus, a model or the store cannot be used.
    """
    from corpora.store import FeatureWriter
    from evaluation.distortions import Distortions
    from speech.audio import pcm16

    distortions = Distortions(settings.noise, settings.seed)
    with FeatureWriter(settings.out) as writer:
        writer.write_info({"stage": STAGE, "seed": settings.seed, "sample_rate": 16_000})
        done = {key.rpartition("|")[0] for key in writer.done}
        for clip in _clips(settings, done):
            for condition, wav in distortions.conditions_of(clip):
                meta = {"speaker": clip.speaker, "split": clip.split, "generator": clip.generator}
                key = f"{clip.generator}/{clip.key}|{condition}"
                if key not in writer.done:
                    writer.add(key, {"wav": pcm16(wav)}, {**meta, "condition": condition})
    with FeatureWriter(settings.out, "main") as writer:
        writer.merge_rejected()  # marks the store as complete


@dataclass(frozen=True, eq=False)
class _Job:
    """An utterance to read, and what is made of it. `label`: `RECORDED`, or the generator of the utterance."""

    utterance: Utterance
    split: str
    label: str
    copied: bool = False
    text: str = ""  # of the clones; empty for none


def _clips(settings: SetSettings, done: set[str]) -> Iterator[Clip]:
    """All clips of the set that are not done."""
    from tqdm import tqdm

    chain = _Chain(settings)
    for job in tqdm(_jobs(settings), "utterances", file=sys.stderr, disable=None):
        names = [job.label, *chain.names(job.copied, bool(job.text))]
        if done.issuperset(f"{name}/{job.utterance.key}" for name in names):
            continue
        clip = _read(job, settings.seed)
        if clip is None:
            continue
        yield clip
        yield from chain.copies(clip) if job.copied else ()
        yield from chain.clones(clip, job.text) if job.text else ()


def _jobs(settings: SetSettings) -> list[_Job]:
    """Everything to do, in an order in which each part is a smaller set of the same composition."""
    from evaluation.sets import Material

    ranked: list[tuple[float, _Job]] = []

    def add(jobs: list[_Job]) -> None:
        ranked.extend((number / len(jobs), job) for number, job in enumerate(jobs))

    recorded = utterances_by_split(Material(settings.corpora))
    others = {
        label: utterances_by_split(Material([Path(folder)])) for label, folder in map(labelled, settings.generator)
    }
    for split in SPLITS:
        chosen = recorded[split][: settings.count("recording", split)]
        copies, clones = (min(settings.count(kind, split), len(chosen)) for kind in ("copy", "clone"))
        texts = _texts(recorded[split])
        print(f"{split}: {len(chosen)} recordings of {len({one.speaker for one in chosen})} speakers")
        add([_Job(one, split, RECORDED) for one in chosen[max(copies, clones) :]])
        add(
            [
                _Job(
                    one,
                    split,
                    RECORDED,
                    number < copies,
                    texts[(7 * number + 3) % len(texts)] if number < clones else "",
                )
                for number, one in enumerate(chosen[: max(copies, clones)])
            ]
        )
        for label, utterances in others.items():
            add([_Job(one, split, label) for one in utterances[split][: settings.count("other", split)]])
    return [job for _, job in sorted(ranked, key=lambda entry: entry[0])]


def utterances_by_split(material: Material) -> dict[str, list[Utterance]]:
    """The utterances of `SPLITS`, evenly over the speakers. No speaker is in two splits."""
    chosen = material.choose()
    trained = {item.speaker for item in chosen if material.splits[item.key] == "train"}
    found: dict[str, list[Utterance]] = {split: [] for split in SPLITS}
    for item in chosen:
        split = material.splits[item.key]
        if split == "train":
            found["train"].append(item)
        elif item.speaker not in trained:
            test = split == "evaluation" or is_held_out(item.speaker, 0.5)
            found["test" if test else "calibration"].append(item)
    return found


def _read(job: _Job, seed: int) -> Clip | None:
    """A random part of an utterance without the silence at its ends; None if it is too short."""
    from evaluation.noise import keyed_rng
    from speech.audio import SAMPLE_RATE
    from speech.vad import trim_edges

    utterance = job.utterance
    try:
        wav = trim_edges(read_utterance(utterance))
    except AudioError:
        return None
    if len(wav) < MIN_SECONDS * SAMPLE_RATE:
        return None
    size = round(SECONDS * SAMPLE_RATE)
    start = int(keyed_rng(utterance.key, seed).integers(max(1, len(wav) - size + 1)))
    return Clip(utterance.key, utterance.speaker, job.split, job.label, wav[start : start + size])


def _texts(utterances: list[Utterance]) -> list[str]:
    """Texts with a usual number of words, or a sentence where there are none."""
    least, most = TEXT_WORDS
    texts = [item.text for item in utterances if least <= len(item.text.split()) <= most]
    return texts or ["The weather was fine for the rest of the day."]


class _Chain:
    """The models that synthesize, loaded on first use."""

    def __init__(self, settings: SetSettings) -> None:
        self.settings = settings
        self.labels = [labelled(name)[0] for name in settings.vocoder]
        self._loaded: tuple[VoiceCloner, dict[str, SynthesizerModel]] | None = None

    def names(self, copied: bool, cloned: bool) -> list[str]:
        return [
            f"{kind}, {label}" for kind, used in (("copy", copied), ("clone", cloned)) if used for label in self.labels
        ]

    def copies(self, clip: Clip) -> Iterator[Clip]:
        """The clip through mel and each vocoder."""
        from cloning import TwoStage
        from evaluation.outputs import NATURAL, Output, copy_output
        from speech.audio import normalize_peak

        natural = Output(NATURAL, clip.key, clip.speaker, "", 0, normalize_peak(clip.wav))
        for label, model in self._models()[1].items():
            if isinstance(model, TwoStage):
                copy = copy_output(natural, label, model.vocoder, self.settings.seed)
                yield replace(clip, generator=f"copy, {label}", wav=copy.measured)

    def clones(self, clip: Clip, text: str) -> Iterator[Clip]:
        """The text in the voice of the clip, with each vocoder."""
        from evaluation.outputs import CloneJob, clone_outputs
        from speech.audio import SAMPLE_RATE
        from speech.vad import trim_edges

        cloner, models = self._models()
        try:
            voice = cloner.enroll(clip.wav, on_remark=lambda _source, _remark: None)
        except AudioError:  # too short or too noisy for a voice
            return
        for output in clone_outputs(models, [CloneJob(clip.key, voice, text, 0)], self.settings.seed):
            wav = trim_edges(output.measured)[: round(SECONDS * SAMPLE_RATE)]
            if len(wav) >= MIN_SECONDS * SAMPLE_RATE:
                yield replace(clip, generator=output.condition, wav=wav)

    def _models(self) -> tuple[VoiceCloner, dict[str, SynthesizerModel]]:
        if self._loaded is None:
            from evaluation.run import load_models
            from evaluation.settings import CloningSettings

            self._loaded = load_models(
                CloningSettings(
                    references=(),
                    sentences=Path(),
                    out=Path(),
                    models=self.settings.models,
                    vocoder=self.settings.vocoder,
                )
            )
        return self._loaded


@exit_on_speech_error
def main() -> None:
    """Make the store that the command line describes."""
    import torch

    torch.set_num_threads(1)
    make_set(tyro.cli(SetSettings, description=SetSettings.__doc__))


if __name__ == "__main__":
    main()
