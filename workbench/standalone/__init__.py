"""The code of a run: a script and a notebook that repeat it with transformers and peft, outside the workbench."""
