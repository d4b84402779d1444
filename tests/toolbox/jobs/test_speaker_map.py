"""The speaker map: new points are placed at once, fits are occasional, and the layout does not jump."""

import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest

from toolbox.jobs import speaker_map
from toolbox.jobs.speaker_map import Layout, SpeakerMap, aligned_to, fit, principal_components, speaker_colour
from toolbox.storage.map_file import read_map, write_map


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
    """Fraction of points whose nearest point is of the same speaker."""
    distance = np.linalg.norm(shown.positions[:, None] - shown.positions[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    names = [point.speaker for point in shown.points]
    return float(np.mean([names[near] == name for near, name in zip(distance.argmin(axis=1), names, strict=True)]))


def test_few_points_show_principal_components_without_flips():
    shown = SpeakerMap()
    assert shown.positions.shape == (0, 2) and not shown.needs_fit()
    before = shown.positions
    for number in range(9):
        shown.add(clip(number % 3, number), f"p{number % 3}")
        assert shown.positions.shape == (number + 1, 2) and np.isfinite(shown.positions).all() and not shown.needs_fit()
        if number > 3:  # no mirror images, no half turns
            moved, size = np.linalg.norm(shown.positions[:-1] - before, axis=1), np.ptp(shown.positions, axis=0).max()
            assert np.median(moved) < 0.35 * size
        before = shown.positions
    full = principal_components(np.stack([point.embedding for point in shown.points]))
    for one, other in combinations(range(9), 2):  # distances do not depend on the rotation
        seen = np.linalg.norm(shown.positions[one] - shown.positions[other])
        assert seen == pytest.approx(np.linalg.norm(full[one] - full[other]), abs=1e-4)


def test_a_fit_groups_speakers_and_keeps_the_visible_layout():
    shown = filled(speakers=4, clips=6)
    assert shown.needs_fit()
    fit_once(shown)
    assert purity(shown) > 0.9 and not shown.needs_fit()
    before = shown.positions.copy()
    for number in range(6, 8):
        for speaker in range(4):
            shown.add(clip(speaker, number), f"p{speaker}")
    np.testing.assert_array_equal(shown.positions[:24], before)  # existing points do not move
    assert purity(shown) > 0.9 and shown.needs_fit()
    fit_once(shown)
    moved = np.linalg.norm(shown.positions[:24] - before, axis=1)
    assert np.median(moved) < 0.25 * np.ptp(before, axis=0).max() and purity(shown) > 0.9


def unchanged(shown: SpeakerMap) -> Layout:
    """The layout of a fit that changes nothing."""
    snapshot = shown.snapshot()
    return Layout(snapshot.positions, snapshot.version)


def test_fits_become_rarer_with_more_points():
    shown, fits = SpeakerMap(), 0
    for number in range(200):
        shown.add(clip(number % 7, number), f"p{number % 7}")
        if shown.needs_fit():
            shown.accept(unchanged(shown))
            fits += 1
    assert 10 < fits < 30  # grows with the logarithm of the number of points


def test_points_added_during_a_fit_stay_near_their_neighbours():
    shown = filled(speakers=3, clips=5)
    snapshot = shown.snapshot()
    shown.add(clip(1, 50), "p1", "late")
    assert shown.accept(fit(snapshot)) and len(shown.positions) == 16
    others = [number for number, point in enumerate(shown.points[:15]) if point.speaker == "p1"]
    nearest = np.linalg.norm(shown.positions[:15] - shown.positions[15], axis=1).argmin()
    assert nearest in others


def test_a_fit_from_before_a_clear_is_rejected():
    shown = filled(speakers=3, clips=5)
    layout = unchanged(shown)
    shown.clear()
    assert not shown.accept(layout) and len(shown) == 0


def test_embeddings_of_a_different_size_start_a_new_map():
    shown = filled(2, 2)
    shown.add(clip(0, size=32), "p0")
    assert len(shown) == 1 and shown.positions.shape == (1, 2)


def test_a_recording_is_added_once():
    shown = filled(2, 2)
    shown.add(clip(0, 1) + 1e-6, "p0", "0-1")
    assert len(shown) == 4
    for speaker, name, row in (("p0", "other", clip(0, 1)), ("p1", "0-1", clip(0, 1)), ("p0", "0-1", clip(0, 2))):
        shown.add(row, speaker, name)
    assert len(shown) == 7


def test_a_renamed_speaker_keeps_points_and_colour():
    shown = filled(3, 2)
    colours = {name: shown.colour(name) for name in shown.speakers}
    shown.rename("p0", "ann")
    shown.rename("p1", "p2")
    shown.rename("nobody", "ann")
    assert sorted(shown.speakers) == ["ann", "p2"] and shown.colour("ann") == colours["p0"]
    assert shown.colour("p2") == colours["p2"]
    assert [point.speaker for point in shown.points] == ["ann", "p2", "p2"] * 2


def test_a_map_is_stored_and_restored(tmp_path):
    shown = filled(speakers=3, clips=5)
    fit_once(shown)
    shown.add(clip(1, 50), "p1", "late")
    write_map(tmp_path / "map.safetensors", shown.contents())
    stored = read_map(tmp_path / "map.safetensors")
    assert stored is not None
    again = SpeakerMap()
    again.restore(stored)
    np.testing.assert_array_equal(again.positions, shown.positions)
    assert [(one.speaker, one.name) for one in again.points] == [(one.speaker, one.name) for one in shown.points]
    assert [again.colour(name) for name in again.speakers] == [shown.colour(name) for name in shown.speakers]
    assert not again.needs_fit(), "the layout is kept, too"
    for map_ in (shown, again):
        map_.add(clip(2, 60), "p2", "later")
    np.testing.assert_array_equal(again.positions, shown.positions)


def test_another_embedding_space_starts_a_new_map():
    shown = filled(2, 2)
    shown.add(clip(0), "p0", "a", space="another encoder")
    shown.add(clip(1), "p0", "b", space="another encoder")
    assert len(shown) == 2 and shown.contents().space == "another encoder"


def test_equal_points_give_finite_positions():
    shown = SpeakerMap()
    for number in range(12):
        shown.add(clip(0), "p0", str(number))
    fit_once(shown)
    assert np.isfinite(shown.positions).all()


def test_every_speaker_has_a_distinct_and_constant_colour():
    shown = filled(speakers=30, clips=1)
    colours = [shown.colour(name) for name in shown.speakers]
    assert len(shown.speakers) == 30 and len({tuple(np.round(colour, 2)) for colour in colours}) == 30
    assert all(0 <= value <= 1 for colour in colours for value in colour)
    for one, other in combinations(colours[:8], 2):  # the first ones are easy to tell apart
        assert np.linalg.norm(np.subtract(one, other)) > 0.1
    shown.add(clip(99), "p99")
    assert [shown.colour(name) for name in shown.speakers[:30]] == colours
    assert shown.colour("p0", dark=True) != shown.colour("p0")
    assert len({tuple(np.round(speaker_colour(number), 3)) for number in range(300)}) == 300


def test_a_layout_is_aligned_to_the_visible_one():
    rng = np.random.default_rng(0)
    seen = rng.standard_normal((20, 2)).astype(np.float32)
    turn = np.array([[0, -1], [1, 0]]) @ np.diag([1, -1])  # rotated and mirrored
    made = np.concatenate([seen @ turn + 5, rng.standard_normal((3, 2))]).astype(np.float32)
    np.testing.assert_allclose(aligned_to(made, seen)[:20], seen, atol=1e-5)
    np.testing.assert_array_equal(aligned_to(made, seen[:1]), made)


def test_a_fit_can_be_stopped():
    class Enough(Exception):
        pass

    def check() -> None:
        raise Enough

    with pytest.raises(Enough):
        fit(filled(2, 6).snapshot(), check=check)


def test_of_many_points_a_subset_is_fitted(monkeypatch):
    monkeypatch.setattr(speaker_map, "MAX_FITTED", 30)
    shown = filled(speakers=4, clips=20)
    fit_once(shown)
    assert purity(shown) > 0.8 and np.isfinite(shown.positions).all()


def test_fitting_needs_neither_torch_nor_numba(repository):
    code = (
        "import sys; import numpy as np; from toolbox.jobs.speaker_map import SpeakerMap, fit\n"
        "shown = SpeakerMap()\n"
        "for number in range(12): shown.add(np.random.default_rng(number).standard_normal(8), 'ann')\n"
        "shown.colour('ann'); fit(shown.snapshot()); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=repository)
    assert not {"torch", "numba", "umap", "PyQt5"} & set(done.stdout.split())
