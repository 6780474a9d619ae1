"""The page: `python app.py`, then open the address it prints. Also the entry of a Hugging Face Space."""

if __name__ == "__main__":  # child processes import this file by its path, and must find nothing to do
    import sys

    from workbench.cli import main

    sys.exit(main(["page", *sys.argv[1:]]))
