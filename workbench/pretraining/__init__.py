"""From text files to a Hub-shaped model folder: `workbench pretrain CONFIG.yaml`.

`config` reads the file, `launch` prepares and starts processes, `process` is one of them, `train` is the training.
"""
