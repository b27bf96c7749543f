"""The wheel: what it holds, and that it works in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_a_built_wheel_trains_a_shipped_recipe_in_an_empty_folder(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert "gentoolkit/recipes/quickstart.toml" in names
    assert "gentoolkit/recipes/base/digits.toml" in names
    assert not [name for name in names if name.startswith(("tests/", "docs/", "plugins/"))]

    empty = tmp_path / "empty"
    empty.mkdir()
    tiny = ["training.steps=2", "training.batch_size=4", "model.denoiser.width=4", "method.discriminator.width=4"]
    quiet = ["observers.grid.samples=1", "sampler.batch=1", "--quiet"]
    code = "import sys; sys.path[:0] = [sys.argv.pop(1)]; import gentoolkit.cli as c; print(c.__file__); c.main()"
    command = [sys.executable, "-c", code, str(tmp_path / "site"), "train", "quickstart", *tiny, *quiet]
    done = subprocess.run(command, cwd=empty, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": ""})
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "site") in done.stdout
    assert (empty / "runs/quickstart/checkpoints/step-00000002/COMMIT.json").is_file()
    assert sorted(p.name for p in empty.iterdir()) == ["runs"]
