import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import soundfile
from matplotlib.colors import to_rgb

from encoder import projection as map_command
from encoder.umap_projection import _leave_shared_cache, draw_map, project, speaker_style
from tests.commands import run_main
from tests.toy_models import save_toy_models, speech_like


def clusters(speakers, clips, seed=0):
    rng = np.random.default_rng(seed)
    middles = np.repeat(rng.normal(size=(speakers, 16)), clips, axis=0)
    rows = middles + 0.1 * rng.normal(size=middles.shape)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), [f"s{k // clips}" for k in range(speakers * clips)]


@pytest.mark.parametrize("points", [0, 1, 2, 3, 9])
def test_few_points_are_projected_to_principal_components(points):
    rows = np.random.default_rng(0).normal(size=(points, 5))
    positions = project(rows)
    assert positions.shape == (points, 2)
    assert np.isfinite(positions).all()
    assert np.array_equal(positions, project(rows))
    if points == 3:  # in a plane, so that distances are kept
        assert np.linalg.norm(positions[0] - positions[1]) == pytest.approx(np.linalg.norm(rows[0] - rows[1]), rel=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(600)  # UMAP compiles its loops, which takes a slow machine minutes
def test_umap_keeps_speakers_together_and_is_reproducible():
    pytest.importorskip("umap")
    rows, speakers = clusters(4, 8)
    positions = project(rows, seed=1)
    assert np.array_equal(positions, project(rows, seed=1))
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    nearest = np.array(speakers)[distance.argmin(axis=1)]
    assert (nearest == speakers).mean() > 0.9


def test_without_umap_there_is_still_a_map(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "umap", None)
    rows, _ = clusters(3, 5)
    assert project(rows).shape == (15, 2)
    assert "umap-learn is not installed" in caplog.text


def test_bad_embeddings_are_refused():
    with pytest.raises(ValueError, match="finite"):
        project(np.full((12, 3), np.nan))
    with pytest.raises(ValueError, match="finite"):
        project(np.zeros(3))
    with pytest.raises(ValueError, match="2 speakers"):
        draw_map(np.eye(3), ["a", "b"])
    with pytest.raises(ValueError, match="0 speakers"):
        draw_map(np.zeros((0, 3)), [])


@pytest.mark.parametrize("count", [2, 7, 12, 13, 40, 127])
def test_speakers_look_different(count):
    styles = {speaker_style(number, count) for number in range(count)}
    assert len(styles) == count
    assert all(0 <= part <= 1 for colour, _ in styles for part in to_rgb(colour))


@pytest.mark.parametrize(("count", "legend"), [(1, False), (3, True), (40, True), (41, False), (200, False)])
def test_a_map_has_every_point_and_a_legend_where_it_can_be_read(count, legend):
    rows, speakers = clusters(count, 2)
    axes: Any = draw_map(rows, speakers, points=rows[:, :2]).axes[0]
    assert sum(len(group.get_offsets()) for group in axes.collections) == 2 * count
    assert (axes.get_legend() is not None) == legend
    if count > 40:
        assert 10 < len(axes.texts) <= count


def test_the_legend_sorts_naturally():
    axes: Any = draw_map(np.eye(3)[:, :2], ["p10", "p9", "p9"], points=np.eye(3)[:, :2]).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["p9", "p10"]
    assert axes.get_title(loc="left") == "2 speakers, 3 clips"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A toy encoder, and a folder of two speakers with two clips each and a silent one."""
    folder = tmp_path_factory.mktemp("map")
    save_toy_models(folder / "models")
    for number in range(4):
        path = folder / "voices" / f"s{number // 2}" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, speech_like(2.0, 100 + 60 * (number // 2), number), 16_000)
    soundfile.write(folder / "voices" / "s1" / "silent.wav", np.zeros(16_000), 16_000)
    return folder


@pytest.fixture
def run(folder, capsys):
    encoder = folder / "models" / "encoder.safetensors"
    return lambda *arguments: run_main(map_command.main, capsys, "--encoder", encoder, *arguments)


def test_a_map_is_written(run, folder, tmp_path):
    result = run(folder / "voices", "--out", tmp_path / "map.png")
    assert result.code == 0, result
    assert "2 speakers, 4 clips" in result.out
    assert "silent.wav" in result.err
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert "--force" in run(folder / "voices", "--out", tmp_path / "map.png").err


def test_wrong_arguments_end_with_one_sentence(run, folder, tmp_path):
    for result, words in (
        (run(tmp_path / "none", "--out", tmp_path / "a.png"), "none"),
        (run(folder / "voices", "--out", tmp_path / "a.txt"), ".png"),
        (run(folder / "voices", "--out", tmp_path / "a.png", "--limit-per-speaker", 0), "--limit-per-speaker"),
        (run(folder / "voices", "--out", tmp_path / "a.png", "--strict"), "silent.wav"),
        (run(folder / "voices"), "--out map.png"),  # no window: tests have no display
    ):
        assert result.code == 2, result
        assert result.err.splitlines()[-1].startswith("error: ")
        assert words in result.err


def test_the_module_is_a_command(repository):
    done = subprocess.run(
        [sys.executable, "-m", "encoder.projection", "--help"], cwd=repository, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "map.png" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="folders are not checked there")
def test_numba_keeps_no_cache_in_a_folder_that_others_may_write_to(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    tmp_path.chmod(0o700)
    _leave_shared_cache()
    assert os.environ["NUMBA_CACHE_DIR"] == str(tmp_path)
    tmp_path.chmod(0o777)
    _leave_shared_cache()
    assert "NUMBA_CACHE_DIR" not in os.environ
