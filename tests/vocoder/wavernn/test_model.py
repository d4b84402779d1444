import math

import numpy as np
import pytest
import torch

from speech.audio import mu_law_decode, mu_law_encode
from speech.errors import ConfigError
from vocoder.wavernn.batches import WaveRNNBatches, split_batch
from vocoder.wavernn.config import WaveRNNConfig, classic_config
from vocoder.wavernn.model import build_wavernn
from vocoder.wavernn.recurrence import StepInputs, label_gru
from vocoder.wavernn.samples import as_labels, draw_samples, encode_wav, mean_log_width, sample_loss
from vocoder.wavernn.single_gru import SingleGRU

ALL_MODELS = pytest.mark.parametrize(
    ("shape", "mode"),
    [("compact", "raw"), ("compact", "mol"), ("classic", "raw"), ("classic", "mol"), ("excitation", "raw")],
)
BOTH_SHAPES = pytest.mark.parametrize("shape", ["compact", "classic"])
BOTH_MODES = pytest.mark.parametrize("mode", ["raw", "mol"])


@BOTH_SHAPES
@BOTH_MODES
def test_shapes(toy_config, shape, mode):
    config = toy_config(shape, mode)
    model = build_wavernn(config)
    samples = torch.zeros(2, 600, dtype=torch.long) if mode == "raw" else torch.zeros(2, 600)
    assert model(samples, torch.zeros(2, 80, 3 + 2 * config.pad)).shape == (2, 600, 512 if mode == "raw" else 30)


@BOTH_SHAPES
@BOTH_MODES
def test_one_sample_at_a_time_equals_the_whole_crop(toy_config, shape, mode):
    """Sampling uses the stepper, and training the forward pass."""
    torch.manual_seed(1)
    config = toy_config(shape, mode)
    model = build_wavernn(config).eval()
    mel = torch.rand(2, 80, 3 + 2 * config.pad) * 2 - 1
    samples = torch.randint(512, (2, 600)) if mode == "raw" else torch.rand(2, 600) * 2 - 1
    with torch.inference_mode():
        whole = model(samples, mel)
        stepper = model.stepper(2)
        steps = []
        for frame in range(3):
            stepper.begin_frame(mel[:, :, frame : frame + 2 * config.pad + 1])
            steps += [stepper.step(i, samples[:, frame * 200 + i]) for i in range(200)]
    torch.testing.assert_close(torch.stack(steps, dim=1), whole, atol=1e-5, rtol=1e-4)


@ALL_MODELS
def test_one_step_changes_every_parameter(toy_config, toy_store, shape, mode):
    torch.manual_seed(0)
    config = toy_config(shape, mode)
    model = build_wavernn(config)
    before = {name: value.clone() for name, value in model.named_parameters()}
    batch = WaveRNNBatches(toy_store, config, batch_size=4, frames=2).batch_at(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    inputs, targets = split_batch(batch)
    sample_loss(model(*inputs), targets, config).backward()
    optimizer.step()
    unchanged = [name for name, value in model.named_parameters() if torch.equal(value, before[name])]
    assert not unchanged


@pytest.mark.parametrize(
    ("shape", "mode", "gain"),
    [("compact", "raw", 2.0), ("classic", "raw", 1.0), ("compact", "mol", 1.5), ("excitation", "raw", 2.0)],
)
def test_one_batch_overfits(toy_config, toy_store, shape, mode, gain):
    torch.manual_seed(0)
    config = toy_config(shape, mode, hidden_size=48, fc_size=48)
    model = build_wavernn(config)
    inputs, targets = split_batch(WaveRNNBatches(toy_store, config, batch_size=2, frames=1).batch_at(0))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    losses = []
    for _ in range(15 if shape == "classic" else 30):  # a general GRU layer is slow on a CPU
        loss = sample_loss(model(*inputs), targets, config)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert min(losses) < losses[0] - gain


def reference_gru(inputs, condition, weight, bias, start):
    """PyTorch's GRU on precomputed gate inputs."""
    size = weight.shape[0]
    gru = torch.nn.GRU(size, weight.shape[1]).double()
    summed = inputs.table[inputs.rows].sum(2) + inputs.signals @ inputs.signal_weight
    summed = summed + condition.repeat_interleave(len(summed) // len(condition), dim=0)
    parameters = {
        "weight_ih_l0": torch.eye(size).double(),
        "weight_hh_l0": weight,
        "bias_ih_l0": torch.zeros(size).double(),
        "bias_hh_l0": bias,
    }
    return torch.func.functional_call(gru, parameters, (summed, start[None]))[0]


@pytest.mark.parametrize(("tables", "signals"), [(1, 0), (2, 3)])
def test_label_gru_and_its_gradients_equal_pytorchs(tables, signals):
    torch.manual_seed(0)
    hidden, batch = 5, 3
    rows, given = torch.randint(7, (12, batch, tables)), torch.randn(12, batch, signals)
    shapes = [(7, 3 * hidden), (signals, 3 * hidden), (4, batch, 3 * hidden), (3 * hidden, hidden), (3 * hidden,)]
    values = [torch.randn(shape, requires_grad=True) for shape in (*shapes, (batch, hidden))]
    doubles = [value.detach().double().requires_grad_() for value in values]
    result = label_gru(StepInputs(rows, values[0], given, values[1]), *values[2:])
    expected = reference_gru(StepInputs(rows, doubles[0], given.double(), doubles[1]), *doubles[2:])
    torch.testing.assert_close(result.double(), expected, atol=1e-5, rtol=1e-4)
    direction = torch.randn(result.shape)
    gradients = torch.autograd.grad(result, values, direction)
    for got, reference in zip(gradients, torch.autograd.grad(expected, doubles, direction.double()), strict=True):
        torch.testing.assert_close(got.double(), reference, atol=1e-5, rtol=1e-3)


def test_label_gru_in_bfloat16_is_close():
    torch.manual_seed(0)
    shapes = [(7, 48), (0, 48), (4, 2, 48), (48, 16), (48,), (2, 16)]
    table, weight, *others = [(0.5 * torch.randn(shape)).requires_grad_() for shape in shapes]
    inputs = StepInputs(torch.randint(7, (40, 2, 1)), table, torch.zeros(40, 2, 0), weight)
    low, full = label_gru(inputs, *others, low=True), label_gru(inputs, *others)
    assert low.dtype == torch.bfloat16
    assert (low.float() - full).abs().max() < 0.05
    exact = torch.autograd.grad(full.sum(), [table, *others])
    for got, reference in zip(torch.autograd.grad(low.float().sum(), [table, *others]), exact, strict=True):
        assert (got - reference).norm() < 0.05 * reference.norm()


@pytest.mark.parametrize("shape", ["compact", "excitation"])
def test_states_equal_those_of_pytorchs_gru(toy_config, toy_store, shape):
    """On a GPU the model uses nn.GRU instead."""
    torch.manual_seed(0)
    model = build_wavernn(toy_config(shape))
    inputs, _ = split_batch(WaveRNNBatches(toy_store, model.config, batch_size=2, frames=2).batch_at(0))
    if shape == "compact":
        inputs = (inputs[0][..., None], torch.zeros(2, 400, 0), inputs[1])
    assert isinstance(model, SingleGRU)
    torch.testing.assert_close(model._states(*inputs), model._states_on_cpu(*inputs), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shape", ["compact", "excitation"])
def test_bf16_autocast_trains_a_single_gru(toy_config, toy_store, shape):
    config = toy_config(shape)
    model = build_wavernn(config)
    inputs, targets = split_batch(WaveRNNBatches(toy_store, config, batch_size=2, frames=2).batch_at(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = sample_loss(model(*inputs), targets, config)
    loss.backward()
    assert all(value.grad is not None and value.grad.isfinite().all() for value in model.parameters())


def test_labels_follow_the_golden_mu_law(golden_dir, toy_config):
    golden = np.load(golden_dir / "mulaw.npz")
    config = toy_config(mode="mol")
    values = torch.from_numpy(golden["x"]).clamp(-1, 1)
    assert np.array_equal(as_labels(values, config).numpy(), mu_law_encode(golden["x"].clip(-1, 1), 9))


def test_samples_are_pre_emphasised_and_continue_across_crops(toy_config, voice):
    config, wav = toy_config(), voice(0.1)
    whole = encode_wav(wav, config)
    assert np.array_equal(encode_wav(wav[500:], config, before=wav[499]), whole[500:])
    assert encode_wav(np.zeros(3, np.float32), config).tolist() == [config.silence] * 3


def test_drawing_inverts_the_distribution(toy_config):
    config = toy_config()
    probabilities = torch.tensor([0.1, 0.0, 0.6, 0.3]).expand(6, 4)
    uniforms = torch.tensor([[0.0], [0.09], [0.11], [0.69], [0.71], [0.9999999]])
    assert draw_samples(probabilities.log(), uniforms, config).tolist() == [0, 0, 2, 2, 3, 3]


def test_entropies_of_both_modes_can_be_compared(toy_config):
    """A uniform distribution over [-1, 1] has a differential entropy of log(2) in every mode and with any bits."""
    values = torch.linspace(-0.9999, 0.9999, 20_001)
    for bits in (8, 9, 10):
        config = toy_config(bits=bits)
        labels = as_labels(values, toy_config(mode="mol", bits=bits))
        edges = np.clip(np.arange(config.labels + 1) - 0.5, 0, config.labels - 1)
        mass = torch.from_numpy(np.diff(mu_law_decode(edges, bits)) / 2)
        loss = sample_loss(mass.log().expand(len(labels), -1), labels, config)
        assert float(loss) + mean_log_width(labels, config) == pytest.approx(math.log(2), abs=1e-3)
    assert mean_log_width(values, toy_config(mode="mol")) == pytest.approx(math.log(2 / 65535))


def test_mixture_likelihood_sums_to_one_and_matches_drawn_samples(toy_config):
    torch.manual_seed(0)
    config = toy_config(mode="mol")
    outputs = torch.randn(1, 30) * 0.3
    outputs[:, 20:] -= 3
    values = torch.linspace(-1, 1, 65_536)
    mass = torch.stack([-sample_loss(outputs, value[None], config) for value in values[::64]]).exp()
    assert float(mass.sum() * 64) == pytest.approx(1, abs=0.02)
    drawn = draw_samples(outputs.expand(20_000, 30), torch.rand(20_000, 2), config)
    mean = (mass * values[::64]).sum() / mass.sum()
    assert float(drawn.mean()) == pytest.approx(float(mean), abs=0.02)


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": "huge"},
        {"mode": "pcm"},
        {"bits": 2},
        {"hidden_size": 0},
        {"pad": 0},
        {"subframes": 3},
        {"shape": "classic", "upsample_factors": (5, 5, 5)},
        {"shape": "classic", "condition_size": 30},
        {"shape": "excitation", "mode": "mol"},
        {"shape": "excitation", "subframes": 3},
        {"prediction_order": 17},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ConfigError):
        WaveRNNConfig(**wrong)


def test_classic_has_the_public_size():
    count = sum(value.numel() for value in build_wavernn(classic_config()).parameters())
    assert 4.2e6 < count < 4.6e6
