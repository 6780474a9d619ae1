"""One fine-tuning method per file; the docstring is its card. workbench.registry finds them."""
