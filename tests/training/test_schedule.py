import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.schedule import cosine, cubic_sparsity, staircase, warmup_constant, warmup_cosine, warmup_exponential


def test_warm_up_rises_linearly_and_never_starts_at_zero():
    rates = [warmup_constant(step, peak=1.0, warmup_steps=4) for step in range(6)]
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("shape", [warmup_exponential, warmup_cosine])
def test_decays_go_from_peak_to_final_and_stay_there(shape):
    rate = [shape(s, peak=1e-3, final=1e-5, warmup_steps=10, decay_start=20, decay_steps=100) for s in range(200)]
    assert rate[9] == rate[20] == pytest.approx(1e-3)
    assert rate[120] == rate[199] == pytest.approx(1e-5)
    assert all(later <= earlier for earlier, later in zip(rate[10:], rate[11:], strict=False))


def test_halfway_points():
    assert warmup_exponential(50, peak=1e-2, final=1e-4, decay_steps=100) == pytest.approx(1e-3)
    assert warmup_cosine(50, peak=1.0, final=0.0, decay_steps=100) == pytest.approx(0.5)


def test_a_cosine_goes_from_start_to_end_in_both_directions():
    rising = [cosine(step, start=0.0, end=0.2, first=10, steps=100) for step in (0, 10, 60, 110, 500)]
    assert rising == pytest.approx([0.0, 0.0, 0.1, 0.2, 0.2])
    assert cosine(25, start=2.0, end=1.0, steps=100) == pytest.approx(1.5 + 0.5 * math.cos(math.pi / 4))


def test_staircase_changes_on_the_named_step():
    stairs = [(0, 5), (2000, 3), (8000, 2)]
    assert [staircase(step, stairs) for step in (0, 1999, 2000, 7999, 8000, 10**9)] == [5, 5, 3, 3, 2, 2]


@pytest.mark.parametrize("stairs", [[], [(1, 5)], [(0, 5), (10, 3), (10, 2)], [(0, 5), (10, 3), (5, 2)]])
def test_staircase_refuses_stairs_that_do_not_rise_from_zero(stairs):
    with pytest.raises(ValueError, match="rise"):
        staircase(0, stairs)


def test_sparsity_is_steep_first_and_flat_last():
    ramp = [cubic_sparsity(step, final=0.9, start=100, end=200) for step in range(300)]
    assert ramp[99] == 0 and ramp[100] == 0 and ramp[200] == ramp[299] == 0.9
    assert ramp[150] == pytest.approx(0.9 * (1 - 0.5**3))
    assert ramp[110] - ramp[100] > ramp[200] - ramp[190]


def test_sparsity_changes_only_on_pruning_steps():
    ramp = [cubic_sparsity(step, final=0.9, start=100, end=200, every=10) for step in range(100, 200)]
    assert len(set(ramp)) == 10


@given(
    step=st.integers(0, 10**7), start=st.integers(0, 10**6), length=st.integers(1, 10**6), warmup=st.integers(0, 5000)
)
def test_schedules_stay_in_range_at_any_step(step, start, length, warmup):
    common = {"peak": 1e-3, "final": 1e-6, "warmup_steps": warmup, "decay_start": start, "decay_steps": length}
    for shape in (warmup_exponential, warmup_cosine):
        rate = shape(step, **common)
        assert math.isfinite(rate) and 0 < rate <= 1e-3 * (1 + 1e-9)
    assert 0 <= cubic_sparsity(step, final=0.95, start=start, end=start + length) <= 0.95
