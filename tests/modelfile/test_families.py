"""Families are found by their folder, and listed without torch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from modelfile.checkpoint import save_model
from modelfile.families import families_of, family_of, load_family
from modelfile.header import ModelHeader
from speech.errors import ConfigError, ModelFileError

STAGES = ("encoder", "synthesizer", "vocoder")


def test_families_and_headers_need_no_torch(repository: Path) -> None:
    script = (
        "import sys; from modelfile.families import families_of; from modelfile.header import read_header\n"
        f"for stage in {STAGES}: families_of(stage)\n"
        "read_header('models/default/encoder.safetensors')\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_families(stage: str) -> None:
    families = families_of(stage)
    assert families and all(kind == family.kind for kind, family in families.items())
    assert family_of(stage, "") is next(iter(families.values()))
    with pytest.raises(ConfigError, match="choose"):
        family_of(stage, "unknown")


def test_files_of_unknown_families_are_refused(tmp_path: Path) -> None:
    save_model(tmp_path / "m.safetensors", {"w": torch.ones(1)}, ModelHeader("encoder", "unknown"))
    with pytest.raises(ModelFileError, match="family 'unknown': update"):
        load_family("encoder", tmp_path / "m.safetensors", "cpu")


@pytest.mark.parametrize("stage", ["", "this", "../../etc/passwd", "os", "x" * 5000])
def test_no_other_module_is_imported_for_a_stage(stage: str) -> None:
    with pytest.raises(ModelFileError, match="There is no stage") as error:
        family_of(stage, "")
    assert "this" not in sys.modules and len(str(error.value)) < 200
