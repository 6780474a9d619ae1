"""One task per file. workbench.registry finds them."""
