"""From text files, or conversations, to a Hub-shaped model folder: `workbench pretrain CONFIG.yaml`.

`config` reads the file, `launch` prepares and starts processes, `process` is one of them, `material` is what is learnt
from, `train` is the training, `scores` the exam, and `card` writes down what happened.
"""
