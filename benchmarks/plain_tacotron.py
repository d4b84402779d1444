"""A plain training pass of the synthesizer, which calls every layer once per decoder step, and its comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from synthesizer.masks import SILENCE, length_mask
from synthesizer.tacotron.config import Architecture, TrainingSettings
from synthesizer.tacotron.model import Tacotron2, TeacherForcing, TrainingOutput

TOLERANCE = 1e-3  # relative, of a gradient
REDUCTION_FACTOR = 4


def plain_forward(model: Tacotron2, given: TeacherForcing, factor: int) -> TrainingOutput:
    """Computes the same as `Tacotron2.forward`."""
    symbols, symbol_lengths, mel, mel_lengths, embedding, _ = given
    batch, frames, n_mels = mel.shape
    rate, training = model.config.zoneout, model.training
    mask = length_mask(symbol_lengths, symbols.shape[1])
    x = model.encoder.embedding(symbols) * mask[:, :, None]
    for layer in model.encoder.convolutions:
        x = plain_convolution(layer, x, mask)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, symbol_lengths, batch_first=True, enforce_sorted=False)
    memory = torch.nn.utils.rnn.pad_packed_sequence(model.encoder.lstm(packed)[0], batch_first=True)[0].float()
    speaker = model.join_speaker(embedding).float()
    memory, pitch = model.add_pitch(memory, speaker, mask)
    attend = plain_attention(model.attention, memory, mask)

    hidden = cell = decoder_hidden = decoder_cell = memory.new_zeros(batch, model.config.decoder_size)
    context = memory.new_zeros(batch, memory.shape[2])
    frame = mel.new_full((batch, n_mels), SILENCE)
    all_frames, all_stops, all_weights = [], [], []
    first = model.prenet.first_weight(), model.prenet.first.bias
    for step in range(frames // factor):
        fed = F.dropout(torch.relu(F.linear(frame, *first)), model.prenet.rate)
        fed = F.dropout(torch.relu(model.prenet.second(fed)), model.prenet.rate)
        new, cell = model.attention_lstm(torch.cat((fed, context, speaker), 1), (hidden, cell))
        hidden = F.dropout(new - hidden, rate, training) * (1 - rate * training) + hidden if rate else new
        weights = attend(hidden.float())
        context = torch.bmm(weights[:, None], memory).squeeze(1)
        fed = torch.cat((hidden, context, speaker), 1)
        new, decoder_cell = model.decoder_lstm(fed, (decoder_hidden, decoder_cell))
        decoder_hidden = (
            F.dropout(new - decoder_hidden, rate, training) * (1 - rate * training) + decoder_hidden if rate else new
        )
        outputs = torch.cat((decoder_hidden, context, speaker), 1)
        all_frames.append(model.to_frames(outputs)[:, : n_mels * factor].view(batch, factor, n_mels))
        all_stops.append(model.to_stop(outputs))
        all_weights.append(weights)
        frame = mel[:, (step + 1) * factor - 1]
    decoder_mel = torch.cat(all_frames, 1).float()
    mel_mask = length_mask(mel_lengths, frames)
    x = decoder_mel * mel_mask[:, :, None]
    for layer in model.postnet.layers:
        x = plain_convolution(layer, x, mel_mask)
    return TrainingOutput(
        decoder_mel, decoder_mel + x, torch.cat(all_stops, 1).float(), torch.stack(all_weights, 2), pitch
    )


def plain_convolution(layer: Any, x: Tensor, mask: Tensor) -> Tensor:
    """`MaskedConvolution` on [batch, positions, channels], by gathering and scattering the valid positions."""
    y = layer.convolution(x.transpose(1, 2)).transpose(1, 2)
    valid = layer.normalisation(y[mask].float())
    valid = {"relu": torch.relu, "tanh": torch.tanh, "none": lambda same: same}[layer.activation](valid)
    result = valid.new_zeros(y.shape)
    result[mask] = F.dropout(valid, layer.dropout, layer.training)
    return result


def plain_attention(module: Any, memory: Tensor, mask: Tensor) -> Callable[[Tensor], Tensor]:
    """One step of dynamic convolution attention: decoder state [batch, size] -> weights [batch, tokens]."""
    previous = F.one_hot(torch.zeros(len(memory), dtype=torch.long), memory.shape[1]).float()

    def attend(query: Tensor) -> Tensor:
        nonlocal previous
        batch, tokens = previous.shape
        chosen = module.dynamic(torch.tanh(module.query(query))).view(batch, module.kernel, module.filters)
        inputs = F.pad(previous, (module.kernel // 2, module.kernel // 2))
        dynamic = F.conv1d(inputs[None], chosen.transpose(1, 2).reshape(-1, 1, module.kernel).to(inputs), groups=batch)
        dynamic = dynamic.view(batch, module.filters, tokens).transpose(1, 2)
        static = F.conv1d(inputs[:, None], module.static.T[:, None]).transpose(1, 2)
        energies = module.energy(torch.tanh(module.from_static(static) + module.from_dynamic(dynamic))).squeeze(2)
        back = F.pad(previous, (len(module.prior) - 1, 0))[:, None]
        prior = F.conv1d(back, module.prior[None, None]).squeeze(1)
        energies = energies.float() + torch.log(prior.float().clamp_min(1e-6))
        previous = torch.softmax(energies.masked_fill(~mask, float("-inf")), 1)
        return previous

    return attend


def loss_of(output: TrainingOutput, batch: TeacherForcing) -> Tensor:
    """A loss that depends on all outputs of a forward pass."""
    mask = length_mask(batch.mel_lengths, batch.mel.shape[1])
    target = batch.mel[mask]
    mel = ((output.decoder_mel[mask] - target) ** 2).mean() + (output.mel[mask] - target).abs().mean()
    return mel + (output.stop_logits**2).mean() + (output.alignments**2).mean()


def random_batch(rows: int, frames: int) -> TeacherForcing:
    """Random utterances of nearly equal length, as in training; five frames per token."""
    generator = torch.Generator().manual_seed(0)
    lengths = frames - 4 * torch.randint(0, max(1, frames // 40), (rows,), generator=generator)
    lengths[0] = frames
    tokens = lengths // 5
    return TeacherForcing(
        torch.randint(2, 60, (rows, int(tokens.max())), generator=generator),
        tokens,
        torch.randn(rows, frames, 80, generator=generator).clamp(-4, 4),
        lengths,
        F.normalize(torch.randn(rows, 256, generator=generator), dim=1),
    )


def check_gradients(config: Architecture) -> None:
    """Check that both passes have the same loss and gradients without dropout; else AssertionError."""
    torch.manual_seed(0)
    training = TrainingSettings(encoder_dropout=0.0, postnet_dropout=0.0)
    model = Tacotron2(replace(config, prenet_dropout=0.0, zoneout=0.0), training).train()
    batch = random_batch(3, 40)
    gradients = []
    passes: tuple[Callable[..., TrainingOutput], ...] = (Tacotron2.forward, plain_forward)
    for forward in passes:
        model.zero_grad()
        loss_of(forward(model, batch, REDUCTION_FACTOR), batch).backward()
        gradients.append([weight.grad.clone() for weight in model.parameters() if weight.grad is not None])
    for (name, _), own, other in zip(model.named_parameters(), *gradients, strict=True):
        if name.endswith("convolution.bias"):  # cancelled by the normalisation: its gradient is rounding error
            continue
        difference = float((own - other).norm() / other.norm().clamp_min(1e-6))
        assert difference < TOLERANCE, f"the gradient of {name} differs by {difference:.1g}"
