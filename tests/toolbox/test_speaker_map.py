"""The map of utterances: placed at once, fitted from time to time, never jumping."""

import subprocess
import sys
import time
from itertools import combinations

import numpy as np
import pytest

from toolbox.jobs import speaker_map
from toolbox.jobs.speaker_map import Layout, SpeakerMap, fit, principal_components, speaker_colour, upon


def clip(speaker: int, number: int = 0, size: int = 64) -> np.ndarray:
    middle = np.random.default_rng(1000 + speaker).standard_normal(size)
    other = np.random.default_rng((speaker, number)).standard_normal(size)
    row = middle / np.linalg.norm(middle) + 0.4 * other / np.linalg.norm(other)
    return (row / np.linalg.norm(row)).astype(np.float32)


def filled(speakers: int, clips: int) -> SpeakerMap:
    shown = SpeakerMap()
    for number in range(clips):
        for speaker in range(speakers):
            shown.add(clip(speaker, number), f"p{speaker}", f"{speaker}-{number}")
    return shown


def fit_once(shown: SpeakerMap) -> None:
    assert shown.accept(fit(shown.snapshot()))


def purity(shown: SpeakerMap) -> float:
    """Share of points whose nearest point is of the same speaker."""
    distance = np.linalg.norm(shown.places[:, None] - shown.places[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    names = [point.speaker for point in shown.points]
    return float(np.mean([names[near] == name for near, name in zip(distance.argmin(axis=1), names, strict=True)]))


def test_few_points_lie_by_their_principal_components_and_do_not_turn_over():
    shown = SpeakerMap()
    assert shown.places.shape == (0, 2) and not shown.wants_fit()
    before = shown.places
    for number in range(9):
        shown.add(clip(number % 3, number), f"p{number % 3}")
        assert shown.places.shape == (number + 1, 2) and np.isfinite(shown.places).all() and not shown.wants_fit()
        if number > 3:  # each goes on from what was seen: no mirror images, no half turns
            moved, size = np.linalg.norm(shown.places[:-1] - before, axis=1), np.ptp(shown.places, axis=0).max()
            assert np.median(moved) < 0.35 * size
        before = shown.places
    full = principal_components(np.stack([point.embedding for point in shown.points]))
    for one, other in combinations(range(9), 2):  # the same distances, however it is turned
        seen = np.linalg.norm(shown.places[one] - shown.places[other])
        assert seen == pytest.approx(np.linalg.norm(full[one] - full[other]), abs=1e-4)


def test_a_fit_brings_speakers_together_and_stays_where_it_was_seen():
    shown = filled(speakers=4, clips=6)
    assert shown.wants_fit()
    fit_once(shown)
    assert purity(shown) > 0.9 and not shown.wants_fit()
    before = shown.places.copy()
    for number in range(6, 8):
        for speaker in range(4):
            shown.add(clip(speaker, number), f"p{speaker}")
    np.testing.assert_array_equal(shown.places[:24], before)  # those who are there do not move for the new ones
    assert purity(shown) > 0.9 and shown.wants_fit()
    fit_once(shown)
    moved = np.linalg.norm(shown.places[:24] - before, axis=1)
    assert np.median(moved) < 0.25 * np.ptp(before, axis=0).max() and purity(shown) > 0.9


def as_it_was(shown: SpeakerMap) -> Layout:
    """A fit that changes nothing."""
    snapshot = shown.snapshot()
    return Layout(snapshot.places, snapshot.version)


def test_it_is_not_fitted_for_each_point():
    shown, fits = SpeakerMap(), 0
    for number in range(200):
        shown.add(clip(number % 7, number), f"p{number % 7}")
        if shown.wants_fit():
            shown.accept(as_it_was(shown))
            fits += 1
    assert 10 < fits < 30  # as the logarithm of their number


def test_points_that_come_during_a_fit_keep_near_their_neighbours():
    shown = filled(speakers=3, clips=5)
    snapshot = shown.snapshot()
    shown.add(clip(1, 50), "p1", "late")
    assert shown.accept(fit(snapshot)) and len(shown.places) == 16
    others = [number for number, point in enumerate(shown.points[:15]) if point.speaker == "p1"]
    nearest = np.linalg.norm(shown.places[:15] - shown.places[15], axis=1).argmin()
    assert nearest in others


def test_a_fit_of_what_was_cleared_or_changed_meanwhile_is_refused():
    for change in (SpeakerMap.clear, lambda shown: shown.remove(0)):
        shown = filled(speakers=3, clips=5)
        layout = as_it_was(shown)
        change(shown)
        assert not shown.accept(layout)
    assert len(shown) == 14 and shown.places.shape == (14, 2)


def test_another_encoder_begins_a_new_map():
    shown = filled(2, 2)
    shown.add(clip(0, size=32), "p0")
    assert len(shown) == 1 and shown.places.shape == (1, 2)


def test_equal_points_do_no_harm():
    shown = SpeakerMap()
    for _ in range(12):
        shown.add(clip(0), "p0")
    fit_once(shown)
    assert np.isfinite(shown.places).all()


def test_any_number_of_speakers_have_colours_of_their_own_that_stay():
    shown = filled(speakers=30, clips=1)
    colours = [shown.colour(name) for name in shown.speakers]
    assert len(shown.speakers) == 30 and len({tuple(np.round(colour, 2)) for colour in colours}) == 30
    assert all(0 <= value <= 1 for colour in colours for value in colour)
    for one, other in combinations(colours[:8], 2):  # the first ones are apart at a glance
        assert np.linalg.norm(np.subtract(one, other)) > 0.1
    shown.add(clip(99), "p99")
    assert [shown.colour(name) for name in shown.speakers[:30]] == colours
    assert shown.colour("p0", dark=True) != shown.colour("p0") and shown.marker("p0") != shown.marker("p29")
    assert len({tuple(np.round(speaker_colour(number), 3)) for number in range(300)}) == 300


def test_a_layout_is_laid_upon_the_one_that_is_seen():
    rng = np.random.default_rng(0)
    seen = rng.standard_normal((20, 2)).astype(np.float32)
    turn = np.array([[0, -1], [1, 0]]) @ np.diag([1, -1])  # turned and mirrored
    made = np.concatenate([seen @ turn + 5, rng.standard_normal((3, 2))]).astype(np.float32)
    np.testing.assert_allclose(upon(made, seen)[:20], seen, atol=1e-5)
    np.testing.assert_array_equal(upon(made, seen[:1]), made)


def test_a_fit_can_be_broken_off():
    class Enough(Exception):
        pass

    def check() -> None:
        raise Enough

    with pytest.raises(Enough):
        fit(filled(2, 6).snapshot(), check=check)


def test_of_very_many_points_some_are_fitted_and_the_others_put_among_them(monkeypatch):
    monkeypatch.setattr(speaker_map, "MOST_FITTED", 30)
    shown = filled(speakers=4, clips=20)
    fit_once(shown)
    assert purity(shown) > 0.8 and np.isfinite(shown.places).all()


def test_fitting_needs_neither_torch_nor_numba(repository):
    code = (
        "import sys; import numpy as np; from toolbox.jobs.speaker_map import SpeakerMap, fit\n"
        "shown = SpeakerMap()\n"
        "for number in range(12): shown.add(np.random.default_rng(number).standard_normal(8), 'ann')\n"
        "shown.colour('ann'); fit(shown.snapshot()); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=repository)
    assert not {"torch", "numba", "umap", "PyQt5"} & set(done.stdout.split())


def test_five_hundred_points_are_placed_quickly():
    shown = filled(speakers=10, clips=49)
    before = time.process_time()
    for number in range(10):
        shown.add(clip(number, 100), f"p{number}")
    assert len(shown) == 500 and (time.process_time() - before) / 10 < 0.02
