"""Average the weights of several models of one architecture (model soup, Wortsman et al. 2022).

Run: python average.py OUT SHARE=MODEL_FOLDER [SHARE=MODEL_FOLDER ...]
OUT is a copy of the last folder with the averaged weights in half precision; shares are brought to a sum of 1.
"""

import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def average(out: Path, parts: list[tuple[float, Path]]) -> None:
    whole = sum(share for share, _ in parts)
    loaded = [(share / whole, load_file(folder / "model.safetensors")) for share, folder in parts]
    shutil.copytree(parts[-1][1], out, dirs_exist_ok=True)
    mean = {
        name: torch.stack([share * weights[name].float() for share, weights in loaded]).sum(0)
        for name in loaded[-1][1]
    }
    halves = {name: weight.to(torch.float16).contiguous() for name, weight in mean.items()}
    save_file(halves, out / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    pairs = [argument.split("=", 1) for argument in sys.argv[2:]]
    average(Path(sys.argv[1]), [(float(share), Path(folder)) for share, folder in pairs])
