"""Compare fine-tuning methods of language models on your own data: one fair, measured table."""

__version__ = "0.1.0"
