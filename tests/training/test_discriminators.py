"""Discriminators of waveforms that stages share; those of periods are tested with the spectral vocoder."""

import pytest
import torch

from training.adversarial import discrimination_loss
from training.discriminators import PeriodDiscriminator, ScaleDiscriminator, accuracy


@pytest.mark.parametrize(("factor", "steps"), [(1, [1600, 400, 100, 25, 25, 25]), (2, [800, 200, 50, 13, 13, 13])])
def test_shapes_of_maps_and_scores(factor, steps):
    outputs = ScaleDiscriminator(factor, 4)(torch.randn(2, 1600))
    assert [each.shape[2] for each in outputs] == steps and outputs[-1].shape[:2] == (2, 1)


@pytest.mark.parametrize("make", [lambda: ScaleDiscriminator(1, 4), lambda: PeriodDiscriminator(3, 4)])
def test_it_learns_to_tell_noise_from_a_tone(make):
    torch.manual_seed(0)
    part = make()
    tone, noise = torch.sin(0.1 * torch.arange(800.0)).repeat(4, 1), torch.randn(4, 800)
    optimizer = torch.optim.Adam(part.parameters(), 2e-3)
    for _ in range(20):
        loss = discrimination_loss([part(tone)], [part(noise)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(accuracy([part(tone)], [part(noise)])) > 0.95
