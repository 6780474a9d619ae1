"""The import laws, looked at in a fresh interpreter: a law that is only written down is a wish."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "peft", "trl", "datasets", "bitsandbytes", "accelerate", "evaluate")


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint('\\n'.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


LOOKING_AROUND = (
    "import workbench.registry; assert workbench.registry.methods()",
    "import io, contextlib\nfrom workbench.cli import main\nwith contextlib.redirect_stdout(io.StringIO()): main(['methods', '--json'])",
    "import workbench.store, workbench.compare, workbench.presets, workbench.session, workbench.data",
    "import workbench.presets\nassert workbench.presets.shipped_presets()",
    "import workbench.runner, workbench.worker, workbench.background",
)


def test_looking_around_loads_neither_torch_nor_gradio():
    """All of it in one interpreter: what one part had loaded would still be there."""
    assert not loaded_by("\n".join(LOOKING_AROUND)) & {*HEAVY, "gradio"}


@pytest.mark.slow
@pytest.mark.parametrize("code", LOOKING_AROUND)
def test_each_way_of_looking_around_imports_what_it_needs(code):
    """Alone, without what another has imported before."""
    assert not loaded_by(code) & {*HEAVY, "gradio"}


def test_the_page_opens_without_a_deep_learning_library():
    assert not loaded_by("import workbench.ui.page, app") & set(HEAVY)


def test_the_command_line_does_not_need_the_page():
    assert "gradio" not in loaded_by("import workbench.cli")
