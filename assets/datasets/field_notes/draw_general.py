"""Draw general.jsonl, the fixed sample for the forgetting measure, from a causal model at temperature 0.8.

Run: python assets/datasets/field_notes/draw_general.py MODEL_FOLDER
The file is kept as it was drawn (its SHA-256 is in card.json): another version of torch may draw other words.
"""

import json
import re
import sys
from pathlib import Path

SEED, TEMPERATURE, TOKENS, CHARACTERS = 20240616, 0.8, 160, 60_000
OPENINGS = (
    "Once upon a time, there was", "One day, a boy", "The old man lived", "In a small town", "It was a rainy day.",
    "A girl named Anna", "The children went", "On Sunday morning", "There was a big tree", "The cat and the dog",
    "My grandma has", "When winter came", "A farmer had", "The teacher said", "Every night, the moon",
    "Sam had a new", "The king was", "Two friends walked", "In the kitchen", "A little bird",
)  # fmt: skip


def main(folder: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    texts: list[str] = []
    while sum(map(len, texts)) < CHARACTERS:
        for opening in OPENINGS:
            given = tokenizer([opening] * 5, return_tensors="pt")
            drawn = model.generate(
                input_ids=given["input_ids"],
                attention_mask=given["attention_mask"],
                max_new_tokens=TOKENS,
                do_sample=True,
                temperature=TEMPERATURE,
                top_k=0,
                pad_token_id=tokenizer.pad_token_id,
            )
            texts += [whole(tokenizer.decode(row, skip_special_tokens=True)) for row in drawn]
    kept, total = [], 0
    for text in texts[::5] + texts[1::5] + texts[2::5] + texts[3::5] + texts[4::5]:
        if total < CHARACTERS and text and text not in kept:
            kept.append(text)
            total += len(text)
    lines = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in kept)
    (Path(__file__).resolve().parent / "general.jsonl").write_text("".join(lines), encoding="utf-8")


def whole(text: str) -> str:
    """Up to the last whole sentence."""
    ends = [match.end() for match in re.finditer(r"[.!?]\"?(?=\s|$)", text)]
    return re.sub(r"\s+", " ", text[: ends[-1]]).strip() if ends else ""


if __name__ == "__main__":
    main(sys.argv[1])
