"""The README.md of a pretrained model: what it is, what for, from what, how made, and how good."""

from __future__ import annotations

from workbench.pretraining.facts import REPORT, Facts, card, tokens_in_all

OPTIMIZER_WORDS = {"adamw": "AdamW", "muon": "Muon (AdamW for embeddings, norms and biases)"}


def readme(facts: Facts) -> str:
    """The model card."""
    config = facts.config
    parts = [
        _front(facts),
        f"# {config.title or config.name}",
        config.summary,
        _table(facts),
        f"## Intended use\n\n{config.intended_use}" if config.intended_use else "",
        f"## Limits\n\n{config.limits}" if config.limits else "",
        "## Training data\n\n" + _sources(facts),
        "## How it was made\n\n" + _making(facts),
        ("## Held-out questions\n\n" if is_chat(facts) else "## Held-out text\n\n") + _heldout(facts),
        _samples(facts),
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _front(facts: Facts) -> str:
    task = "fill-mask" if facts.config.kind == "encoder" else "text-generation"
    lines = [
        f"license: {facts.config.license}",
        f"language: {facts.config.language}",
        "library_name: transformers",
    ]
    return "\n".join(["---", *lines, f"pipeline_tag: {task}", "---"])


def _table(facts: Facts) -> str:
    one = card(facts)
    rows = {
        "Architecture": f"`{facts.class_name}`: {', '.join(_inside(facts))}",
        "Weights": f"{facts.parameters:,}",
        "Vocabulary": f"{one['vocabulary']:,} entries, byte-level BPE",
        "Longest input": f"{one['longest_input']:,} tokens (trained on {facts.config.recipe.context:,})",
        "File": f"{facts.weights_bytes / 1e6:.1f} MB safetensors in float16",
        "Licence": one["license"],
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def _inside(facts: Facts) -> list[str]:
    one, experts = card(facts), facts.size("num_experts", "num_local_experts")
    shared = facts.size("num_key_value_heads")
    inner = facts.size("moe_intermediate_size") if experts else facts.size("intermediate_size", "n_inner")
    chosen = facts.size("num_experts_per_tok")
    return [
        f"{one['layers']} blocks",
        f"width {one['width']}",
        f"{one['heads']} heads",
        *([f"{shared} key-value heads"] if 0 < shared < one["heads"] else []),
        *([f"{experts} experts of which {chosen} serve each token"] if experts else []),
        *([f"feed-forward {inner}" + (" in each expert" if experts else "")] if inner else []),
        *(["tied embeddings"] if facts.architecture.get("tie_word_embeddings") else []),
        "biases" if facts.bias_terms else "no biases",
    ]


def _sources(facts: Facts) -> str:
    lines = []
    for name, source in facts.sources.items():
        about = f": {source['about'].strip().rstrip('.')}" if source["about"] else ""
        licence = f" Licence: {source['license'].strip().rstrip('.')}." if source["license"] else ""
        dropped = source["documents_dropped_because_held_out"]
        without = f" {dropped:,} documents that are held out too were left out." if dropped else ""
        size, of = f"{source['train_tokens']:,} tokens", "windows"
        if "train_conversations" in source:
            size, of = f"{source['train_conversations']:,} conversations with {size}", "conversations drawn"
        lines.append(f"- **{name}**{about}. {size}, {source['share']:.0%} of the {of}.{licence}{without}")
    shipped = "" if is_chat(facts) else " None of these texts is shipped with the model."
    return "\n".join(lines) + f"\n\nHeld-out files were never trained on.{shipped}"


def _making(facts: Facts) -> str:
    recipe, trained, machine = facts.config.recipe, facts.trained, facts.environment
    minutes = max(1, round(trained["seconds"] / 60))
    where = f"{trained['processes']} process{'es' * (trained['processes'] > 1)} on {machine['device']}"
    lines = [
        f"{trained['tokens']:,} tokens in {trained['steps']:,} steps of {trained['step_tokens']:,}, {minutes} minute{'s' * (minutes > 1)}"
        f" with {where} ({trained['tokens'] / max(trained['seconds'], 1e-9):,.0f} tokens a second),"
        f" computed in {trained['precision']}, seed {recipe.seed}."
    ]
    if facts.start:
        of = f"Begun with {facts.start['taken']} of {facts.start['name']} (sha256 {facts.start['sha256'][:12]})"
        seen = f", trained on {facts.start['tokens']:,} tokens before" if facts.start["tokens"] else ""
        lines.append(f"{of}{seen}; {tokens_in_all(facts):,} tokens in all.")
    if facts.config.positions == "sinusoidal":
        lines.append("Position embeddings began as waves, and were trained like all else.")
    goal = "Next-token prediction"
    if facts.config.kind == "encoder":
        goal = f"Masked language modelling with {recipe.mask_share:.0%} of the tokens hidden"
    if is_chat(facts):
        goal = "Supervised fine-tuning on conversations, of which the replies alone are learnt"
    lines.append(
        f"{goal}; {OPTIMIZER_WORDS[recipe.optimizer]} at {recipe.learning_rate:g}, {recipe.warmup_share:.0%} of the budget as warm-up, a cosine down to"
        f" {recipe.final_share:.0%}, weight decay {recipe.weight_decay:g}, gradients clipped at {recipe.gradient_clip:g}."
        f" Every figure is in `{REPORT}`."
    )
    return "\n".join(lines)


def is_chat(facts: Facts) -> bool:
    return facts.config.recipe.objective == "chat"


def _heldout(facts: Facts) -> str:
    if is_chat(facts):
        return _right_answers(facts)
    masked = facts.config.kind == "encoder"
    names = (
        ("Hidden tokens found", "Nats per hidden token") if masked else ("Bits per byte", "Nats per token")
    )
    head = ["Source", *names, *(["Bits per byte before"] if facts.heldout_before and not masked else [])]
    rows = []
    for name, found in facts.heldout.items():
        main = f"{found['token_accuracy']:.1%}" if masked else f"{found['bits_per_byte']:.3f}"
        cells = [name, main, f"{found['nats_per_token']:.3f}"]
        if len(head) > 3 and facts.heldout_before:
            cells.append(f"{facts.heldout_before[name]['bits_per_byte']:.3f}")
        rows.append("| " + " | ".join(cells) + " |")
    how = "15% of the tokens hidden, always the same ones. " if masked else ""
    note = f"{how}Windows of {facts.config.recipe.context} tokens, computed in float32."
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|", *rows]
    return "\n".join(lines) + "\n\n" + note


def _right_answers(facts: Facts) -> str:
    """By source, and by kind where its rows have one."""
    rows = []
    for name, found in facts.heldout.items():
        before = (facts.heldout_before or {}).get(name, {}).get("nats_per_token")
        nats = f"{found['nats_per_token']:.3f}"
        cells = [
            name,
            f"{found['asked']:,}",
            f"{found['exact_match']:.1%}",
            nats,
            "" if before is None else f"{before:.3f}",
        ]
        rows += [
            cells,
            *([f"{name}, {kind}", "", f"{share:.1%}", "", ""] for kind, share in found["kinds"].items()),
        ]
    head = ["Held-out questions", "Asked", "Right answers", "Nats per token of the reply", "Before"]
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    lines += ["| " + " | ".join(cells) + " |" for cells in rows]
    note = (
        "An answer is the likeliest text, token by token. It is right if it is the row's reply or one of its references,"
        " word for word; where the row has a final number, if it ends in that number."
    )
    return "\n".join(lines) + "\n\n" + note


def _samples(facts: Facts) -> str:
    if not facts.continuations:
        return ""
    if not is_chat(facts):
        return "## Continuations\n\n" + _continuations(facts)
    right = sum(bool(one["right"]) for one in facts.continuations)
    lines = [
        f"{i}. **{_one_line(one['start'])}** {_one_line(one['continuation'])}"
        + ("" if one["right"] else " *(not as the row)*")
        for i, one in enumerate(facts.continuations, 1)
    ]
    note = f"{len(facts.continuations)} held-out questions, evenly drawn, none chosen; {right} answers are as the row has them."
    return f"## Answers\n\n{note}\n\n" + "\n".join(lines)


def _continuations(facts: Facts) -> str:
    looping = sum(bool(one["loops"]) for one in facts.continuations)
    count = len(facts.continuations)
    note = (
        f"{count} held-out beginnings, one sample each at temperature 0.8, none chosen; {looping} of {count} repeat some"
        " four words three times or more."
    )
    lines = [
        f"{i}. **{_one_line(one['start'])}** {_one_line(one['continuation'])}"
        for i, one in enumerate(facts.continuations, 1)
    ]
    return note + "\n\n" + "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("*", r"\*").replace("|", r"\|").replace("<", r"\<")
