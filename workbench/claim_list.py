"""The claims, each with its source and its predicate: what papers say of fine-tuning methods, to be seen on one's own runs."""

from __future__ import annotations

from workbench import claim_cases
from workbench.claim_tests import (
    all_of,
    cost_within,
    costs_more,
    median_share,
    nearly_as_good,
    share_below,
)
from workbench.claims import Claim
from workbench.presets import MethodChoice

HU = ("Hu et al. 2021", "https://arxiv.org/abs/2106.09685")
DING = ("Ding et al. 2022", "https://arxiv.org/abs/2203.06904")
HOULSBY = ("Houlsby et al. 2019", "https://arxiv.org/abs/1902.00751")
LIU_2024 = ("Liu et al. 2024", "https://arxiv.org/abs/2402.09353")
# A latency within five parts of a hundred of the base's is taken for the same.
SAME_LATENCY = (0.95, 1.05)
LITTLE_LATENCY = 1.15
LORA, DORA = MethodChoice("lora"), MethodChoice("dora")

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "adapter_adds_latency",
        "Adapters make answers slower.",
        *HU,
        cost_within("adapter", "latency_ratio", SAME_LATENCY[1], float("inf"), "above 1.05 is slower"),
    ),
    Claim(
        "merged_lora_is_free",
        "Merged into the base, LoRA adds no latency.",
        *HU,
        cost_within("lora", "merged_latency_ratio", *SAME_LATENCY, "0.95 to 1.05 is the same"),
    ),
    Claim(
        "merged_ia3_is_free",
        "Merged into the base, (IA)³ adds no latency.",
        "Liu et al. 2022",
        "https://arxiv.org/abs/2205.05638",
        cost_within("ia3", "merged_latency_ratio", *SAME_LATENCY, "0.95 to 1.05 is the same"),
    ),
    Claim(
        "prefix_adds_little_latency",
        "A prefix adds little latency.",
        "Li and Liang 2021",
        "https://arxiv.org/abs/2101.00190",
        cost_within("prefix", "latency_ratio", 0.0, LITTLE_LATENCY, f"up to {LITTLE_LATENCY} is little"),
    ),
    Claim(
        "qlora_saves_memory",
        "QLoRA needs less memory than LoRA and scores nearly the same.",
        "Dettmers et al. 2023",
        "https://arxiv.org/abs/2305.14314",
        all_of(
            costs_more(LORA, MethodChoice("qlora"), "peak_memory_bytes"),
            nearly_as_good(MethodChoice("qlora"), LORA, 0.01),
        ),
    ),
    Claim(
        "dora_beats_lora",
        "DoRA scores higher than LoRA at small rank.",
        *LIU_2024,
        claim_cases.better_at_small_rank,
    ),
    Claim(
        "dora_is_slower",
        "DoRA trains more slowly than LoRA.",
        *LIU_2024,
        costs_more(DORA, LORA, "train_seconds"),
    ),
    Claim(
        "bitfit_is_weaker",
        "BitFit is weaker than LoRA on hard tasks.",
        *HU,
        claim_cases.weaker_on_hard,
    ),
    Claim(
        "prompts_need_size",
        "Prompt tuning catches up with full fine-tuning as models grow.",
        "Lester et al. 2021",
        "https://arxiv.org/abs/2104.08691",
        claim_cases.prompts_need_size,
    ),
    Claim(
        "rank_one_is_enough",
        "On the query weight alone, rank 1 does nearly what rank 4 does.",
        *HU,
        claim_cases.one_rank_is_enough,
    ),
    Claim(
        "full_forgets_more",
        "Full fine-tuning forgets more than LoRA.",
        "Biderman et al. 2024",
        "https://arxiv.org/abs/2405.09673",
        costs_more(MethodChoice("full"), LORA, "forgetting"),
    ),
    Claim(
        "few_examples_help",
        "50 to 100 examples already help clearly.",
        "OpenAI's guide to fine-tuning",
        "https://platform.openai.com/docs/guides/fine-tuning",
        claim_cases.few_examples_help,
        ("classification", "generation"),
    ),
    Claim(
        "a_thousand_do_well",
        "1,000 examples do well.",
        "Zhou et al. 2023",
        "https://arxiv.org/abs/2305.11206",
        claim_cases.a_thousand_do_well,
        ("classification", "generation"),
    ),
    Claim(
        "trained_beats_rounded",
        "At few bits, training that knows of the rounding beats rounding afterwards.",
        "Liu et al. 2023",
        "https://arxiv.org/abs/2305.17888",
        claim_cases.trained_beats_rounded,
    ),
    Claim(
        "few_tokens_are_enough",
        "Learning the first few tokens of own answers comes close to supervised training at a fraction of the tokens.",
        "Ji et al. 2025",
        "https://arxiv.org/abs/2503.02875",
        claim_cases.few_tokens_are_enough,
        ("generation",),
    ),
    Claim(
        "full_trains_all",
        "Full fine-tuning updates all weights.",
        *DING,
        share_below("full", 1.01, at_least=0.999),
    ),
    Claim(
        "freeze_trains_few",
        "Frozen layers train less than 10 % of the weights.",
        *DING,
        share_below("freeze", 0.10),
    ),
    Claim("lora_trains_few", "LoRA trains less than 5 % of the weights.", *HU, share_below("lora", 0.05)),
    Claim(
        "adapter_trains_few",
        "Adapters train less than 10 % of the weights.",
        *HOULSBY,
        share_below("adapter", 0.10),
    ),
    Claim(
        "peft_trains_one_percent",
        "Parameter-efficient methods train about 1 % of the weights or less.",
        *DING,
        median_share(("low_rank", "rotation", "prompt", "added"), 0.01, 0.02),
    ),
)
