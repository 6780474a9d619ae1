"""What repeats a comparison anywhere: its preset as YAML, and the commands that read it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from workbench.compare import Comparison
from workbench.more_runs import repeating_preset
from workbench.presets import to_yaml
from workbench.uploads import shown_source


def preset_yaml(comparison: Comparison) -> str:
    """The preset that makes the same runs; an uploaded file stands there by its own name, beside the preset."""
    preset = repeating_preset(comparison.setting, comparison.runs)
    data = dict(preset.data)
    uploaded: set[str] = set()
    data["source"] = _beside(str(data["source"]), uploaded)
    if "parts" in data:
        data["parts"] = {part: _beside(path, uploaded) for part, path in data["parts"].items()}
    if "mix" in data:
        data["mix"] = [{**one, "source": _beside(str(one["source"]), uploaded)} for one in data["mix"]]
    note = f"# Put {', '.join(sorted(uploaded))} beside this file.\n" if uploaded else ""
    return note + to_yaml(replace(preset, data=data))


def commands(comparison: Comparison) -> str:
    """The command lines that repeat and read the comparison."""
    stem = f"comparison-{comparison.setting.id}"
    finished = next((run.id for run in comparison.runs if run.state == "finished"), None)
    lines = [
        "# Make the same runs again, on any machine:",
        f"workbench run {stem}.yaml",
        "# Read this table from the store of this machine:",
        f"workbench compare --setting {comparison.setting.id}",
        f"workbench compare --setting {comparison.setting.id} --format csv > {stem}.csv",
        f"workbench compare --setting {comparison.setting.id} --format html > {stem}.html",
    ]
    if finished is not None:
        lines += [
            "# Train one run again from its record and compare every prediction:",
            f"workbench repeat {finished}",
        ]
    return "\n".join(lines)


def _beside(source: str, uploaded: set[str]) -> str:
    """An uploaded file by its name, which is noted; everything else as it is."""
    name = Path(source).name if "/uploads/" in source else shown_source(source)
    if name != source:
        uploaded.add(name)
    return name
