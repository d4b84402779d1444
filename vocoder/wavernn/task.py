"""What training a WaveRNN does with a batch, and how a half-trained one is judged."""

import itertools
import logging
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from speech.audio import write_audio
from speech.errors import CorpusError
from speech.mel import decode_mel, synthesis_mel
from training.config import Task
from vocoder.base import STAGE
from vocoder.data import Batch, VocoderStore, collate, cut_crop, split_items
from vocoder.emphasis import Deemphasis
from vocoder.wavernn.folding import Fold
from vocoder.wavernn.model import WaveRNN
from vocoder.wavernn.pruning import Pruner, pack_sparse
from vocoder.wavernn.samples import decode_samples, sample_loss
from vocoder.wavernn.sampling import TorchSampler, make_tape

if TYPE_CHECKING:
    from training.run_directory import RunDirectory

logger = logging.getLogger(__name__)

CROPS_PER_PASS = 16


class WaveRNNTask(Task):
    """Trains a WaveRNN to predict each sample of recorded speech from those before it and the mel.

    Args:
        model: the WaveRNN to train.
        store: feature store; its validation split judges the model.
        licence, trained_on: for the header of the model file.
        crops, crop_frames: how many validation crops are measured, and their length in mel frames.
        clips, clip_frames: how many stretches are spoken freely at each validation, and their length.
        pruner: prunes the model while it trains; None leaves it dense. Until the pruner has reached its sparsity, no
            model counts as the best: a denser one would win.

    Raises:
        CorpusError: the validation split has no utterance long enough.
    """

    best_mode: Literal["min", "max"] = "min"

    def __init__(
        self,
        model: WaveRNN,
        store: VocoderStore,
        *,
        licence: str = "",
        trained_on: str = "",
        crops: int = 64,
        crop_frames: int = 8,
        clips: int = 4,
        clip_frames: int = 120,
        pruner: Pruner | None = None,
    ) -> None:
        self.model: nn.Module = model
        self.pruner = pruner
        self.extra_modules: dict[str, nn.Module] = {} if pruner is None else {"pruner": pruner}
        self.best_metric = "validation_loss" if pruner is None else "pruned_loss"
        self._network = model  # the same, by its own type
        self.config = model.config
        self.store, self.licence, self.trained_on = store, licence, trained_on
        self.clip_frames = clip_frames
        items = split_items(store, "validation", crop_frames)
        if not items:
            raise CorpusError(
                f"The validation split has no utterance of {crop_frames} frames to judge the vocoder by: "
                "preprocess a corpus with more speakers or utterances."
            )
        self.crops = [
            cut_crop(store, item, start, crop_frames, self.config)
            for item, start in _places(store, items, crop_frames, crops)
        ]
        self.clips = _places(store, items, clip_frames, clips)

    def step(self, batch: Batch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """`loss`: nats per sample."""
        return {"loss": self._loss(batch), "items": torch.tensor(batch["samples"][:, 1:].numel())}

    def after_step(self, done: int, averages: Mapping[str, Tensor]) -> None:
        """Keep what is pruned at zero, in the weights and in their averages."""
        if self.pruner is not None:
            self.pruner.after_step(done, averages)

    def validate(self, step: int, run: "RunDirectory") -> dict[str, float]:
        """`validation_loss` in nats per sample of unseen speech, and `mel_error` of freely spoken clips.

        With a pruner also the sparsity of each matrix, and `pruned_loss`: the validation loss once the sparsity is
        reached, NaN before.

        The clips go to the run's samples and TensorBoard, each with the mel it was made from over the mel that it has.
        """
        device = next(self.model.parameters()).device
        total = 0.0
        with torch.inference_mode():
            for first in range(0, len(self.crops), CROPS_PER_PASS):
                part = self.crops[first : first + CROPS_PER_PASS]
                batch = collate(part)
                moved: Batch = {"samples": batch["samples"].to(device), "mel": batch["mel"].to(device)}
                total += float(self._loss(moved)) * len(part)
        figures = {"validation_loss": total / len(self.crops)}
        if self.clips:
            figures["mel_error"] = self._speak(step, run)
        if self.pruner is not None:
            figures["pruned_loss"] = figures["validation_loss"] if self.pruner.is_done() else math.nan
            figures |= {f"sparsity/{name}": share for name, share in self.pruner.sparsity().items()}
        return figures

    def stored_weights(self) -> dict[str, Tensor]:
        """The weights for a model file, pruned matrices as the blocks that are left."""
        return pack_sparse(self.model.state_dict(), self.config)

    def model_file(self) -> dict[str, Any]:
        """Keyword arguments for `modelfile.checkpoint.save_model`."""
        return {
            "stage": STAGE,
            "kind": "wavernn",
            "config": self.config,
            "licence": self.licence,
            "trained_on": self.trained_on,
        }

    def _loss(self, batch: Batch) -> Tensor:
        samples = batch["samples"]
        return sample_loss(self.model(samples[:, :-1], batch["mel"]), samples[:, 1:], self.config)

    def _speak(self, step: int, run: "RunDirectory") -> float:
        """Speak the clips side by side; returns the mean distance of their mels, where the whole range is 8."""
        config, hop = self.config, self.config.hop_length
        mels = []
        for item, start in self.clips:
            mels.append(decode_mel(self.store.array(item, "mel")[start : start + self.clip_frames]).T)
        ends = np.cumsum([0, *(mel.shape[1] for mel in mels)])
        folds = [Fold(int(start), int(stop)) for start, stop in itertools.pairwise(ends)]
        tapes = [make_tape(config, fold.frames * hop, 0, index) for index, fold in enumerate(folds)]
        made = TorchSampler(self._network).sample_folds(np.concatenate(mels, axis=1), folds, tapes)
        errors = []
        for index, (mel, samples) in enumerate(zip(mels, made, strict=True)):
            wav = Deemphasis(config.mel.preemphasis)(decode_samples(samples, config))
            reached = synthesis_mel(wav, config.mel)[:, : mel.shape[1]]
            errors.append(float(np.abs(reached - mel).mean()))
            write_audio(run.samples / f"step-{step:09d}-{index}.wav", wav, config.mel.sample_rate, overwrite=True)
            run.writer.add_audio(f"sample/{index}", wav, step, sample_rate=config.mel.sample_rate)
            picture = np.concatenate([reached, mel])[::-1] / (2 * config.mel.max_abs_value) + 0.5
            run.writer.add_image(f"mel/{index}", picture[None].astype(np.float32), step)
        return float(np.mean(errors))


def _places(store: VocoderStore, items: list[int], frames: int, count: int) -> list[tuple[int, int]]:
    """`count` fixed (item, first frame) pairs, spread over the items; short items are passed over."""
    long_enough = [item for item in items if store.shape(item, "mel")[0] >= frames]
    if not long_enough:
        return []
    rng = np.random.default_rng(len(long_enough))
    chosen = [long_enough[turn * len(long_enough) // count] for turn in range(count)]
    return [(item, int(rng.integers(store.shape(item, "mel")[0] - frames + 1))) for item in chosen]
