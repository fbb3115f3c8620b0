"""Writes a scene and its truth for others to use: the demo, the autopilot, the camera, the scorer."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from simulators.defects import planted_in, write_truth
from simulators.world import default_scene, save_scene


def scene_verb(out: Path, seed: int, inspection: int, *, as_json: bool) -> None:
    """Write ``scene.json`` and ``truth.json`` into ``out`` and say what they hold."""
    scene = default_scene(seed)
    out.mkdir(parents=True, exist_ok=True)
    save_scene(scene, out / "scene.json")
    planted = planted_in(scene, inspection)
    write_truth(planted, inspection, out / "truth.json")
    said = {
        "scene": str(out / "scene.json"),
        "truth": str(out / "truth.json"),
        "site_id": scene.site_id,
        "assets": [a.asset_id for a in scene.assets],
        "defects": len(planted),
    }
    lines = f"{said['scene']}: {len(scene.assets)} turbines\n{said['truth']}: {len(planted)} defects"
    typer.echo(json.dumps(said) if as_json else lines)
