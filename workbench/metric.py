"""Metric: name, direction, unit and format said once; table colours, best marks, Pareto front and axes read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One measured column. `better` is higher, lower or none; `format` is share, count, bytes, seconds, ms, ratio,
    number or nats."""

    name: str
    title: str
    better: str
    unit: str
    format: str
    help: str
    group: str = "how good"


COLUMNS: tuple[Metric, ...] = (
    Metric(
        "accuracy", "Accuracy", "higher", "%", "share", "Share of test rows with the right label.", "how good"
    ),
    Metric(
        "macro_f1",
        "Macro F1",
        "higher",
        "%",
        "share",
        "F1 averaged over labels, rare labels counting as much as common ones.",
        "how good",
    ),
    Metric(
        "told_accuracy",
        "Accuracy, task told",
        "higher",
        "%",
        "share",
        "Accuracy where only the labels of that data set may be answered, as if the model were told which task is meant.",
        "how good",
    ),
    Metric(
        "chrf",
        "chrF",
        "higher",
        "%",
        "share",
        "Overlap of character pieces with the nearest reference text, over the whole test part; verdicts compare it row"
        " by row.",
        "how good",
    ),
    Metric(
        "rouge_l",
        "ROUGE-L",
        "higher",
        "%",
        "share",
        "Words in common with the nearest reference text, in the same order; the mean over rows.",
        "how good",
    ),
    Metric(
        "bleu",
        "BLEU",
        "higher",
        "%",
        "share",
        "Runs of one to four words that the reference texts have too, over the whole test part.",
        "how good",
    ),
    Metric(
        "exact_match",
        "Exact",
        "higher",
        "%",
        "share",
        "Share of answers that are a reference text word for word.",
        "how good",
    ),
    Metric(
        "answer_match",
        "Right answer",
        "higher",
        "%",
        "share",
        "Share of rows whose final answer (the number after ####) is right, however it was worked out.",
        "how good",
    ),
    Metric(
        "mean_reward",
        "Reward",
        "higher",
        "%",
        "share",
        "Mean reward of the model's own answers to the test prompts, from 0 to 100, by the data set's own checker.",
        "how good",
    ),
    Metric(
        "mean_reward_start",
        "Reward before",
        "none",
        "%",
        "share",
        "The same of the base model, before any training.",
        "how good",
    ),
    Metric(
        "win_rate",
        "Wins",
        "higher",
        "%",
        "share",
        "Share of test prompts to which the trained model's answer has a higher reward than the base model's; ties count"
        " half, so 50 % is no change.",
        "how good",
    ),
    Metric(
        "preference_accuracy",
        "Preference",
        "higher",
        "%",
        "share",
        "Share of test rows where the model finds the better of the two given answers likelier; 50 % is guessing.",
        "how good",
    ),
    Metric(
        "margin",
        "Margin",
        "higher",
        "nats",
        "nats",
        "How much likelier the better of the two given answers is found: the difference of their log-probabilities, per"
        " token unless the setting says otherwise.",
        "how good",
    ),
    Metric(
        "reward_accuracy",
        "Reward model",
        "higher",
        "%",
        "share",
        "Share of held-out pairs where the learnt reward model gives the better answer the higher reward.",
        "how good",
    ),
    Metric(
        "reward_margin",
        "Reward margin",
        "higher",
        "",
        "number",
        "How much higher the learnt reward model rates the better answer of a held-out pair, on its own scale.",
        "how good",
    ),
    Metric(
        "kl_nats",
        "KL to base",
        "lower",
        "nats",
        "nats",
        "How far the model's next-token distribution has moved from the base model's, per token of its own answers: 0 is"
        " not at all. A higher reward at a smaller distance is the better bargain.",
        "how good",
    ),
    Metric(
        "answer_tokens",
        "Answer length",
        "none",
        "tokens",
        "number",
        "Mean length of the model's own answers, in tokens: preference training often makes answers longer.",
        "how good",
    ),
    Metric(
        "perplexity",
        "Perplexity",
        "lower",
        "",
        "number",
        "How surprised the model is by each token of the given completions: 1 is not at all, 100 as if it had to guess"
        " among 100.",
        "how good",
    ),
    Metric(
        "bits_per_byte",
        "Bits per byte",
        "lower",
        "",
        "number",
        "How many bits the model needs for each byte of the test texts: a good compressor needs about 2 for English prose."
        " Models with different tokens can be compared by it.",
        "how good",
    ),
    Metric(
        "bits_per_byte_start",
        "Bits per byte, start",
        "none",
        "",
        "number",
        "The same of the model that training began with.",
        "how good",
    ),
    Metric(
        "forgetting",
        "Forgetting",
        "lower",
        "nats",
        "nats",
        "How much worse a fixed general text is told after training than before, in nats per token: 0.69 is as if the"
        " model had to choose between twice as many tokens.",
        "how good",
    ),
    Metric(
        "general_perplexity",
        "General perplexity",
        "lower",
        "",
        "number",
        "Perplexity of the fixed general text after training.",
        "how good",
    ),
    Metric(
        "general_perplexity_start",
        "General perplexity, start",
        "none",
        "",
        "number",
        "The same before training.",
        "how good",
    ),
    Metric(
        "prefix_agreement",
        "Same beginning",
        "none",
        "%",
        "share",
        "How often two answers sampled for one prompt begin with the same eight tokens.",
        "how good",
    ),
    Metric(
        "prefix_agreement_start",
        "Same beginning, start",
        "none",
        "%",
        "share",
        "The same before training.",
        "how good",
    ),
    Metric(
        "trainable_parameters",
        "Trained",
        "lower",
        "",
        "count",
        "Weights that receive a gradient.",
        "what moves",
    ),
    Metric(
        "head_parameters",
        "Head",
        "none",
        "",
        "count",
        "The new classification head's share of the trained weights.",
        "what moves",
    ),
    Metric(
        "method_parameters", "Method", "lower", "", "count", "Trained weights without the head.", "what moves"
    ),
    Metric(
        "total_parameters",
        "Total",
        "none",
        "",
        "count",
        "All weights of the prepared model, as PEFT counts them.",
        "what moves",
    ),
    Metric(
        "trainable_share",
        "of all",
        "lower",
        "%",
        "share",
        "Trained weights as a share of all weights.",
        "what moves",
    ),
    Metric(
        "peak_memory_bytes",
        "Peak memory",
        "lower",
        "",
        "bytes",
        "Most bytes of live tensors at any moment of training.",
        "cost to train",
    ),
    Metric(
        "train_seconds",
        "Time",
        "lower",
        "s",
        "seconds",
        "Training steps, and what a method samples before them to learn from: no loading, no evaluation.",
        "cost to train",
    ),
    Metric(
        "samples_per_second",
        "Speed",
        "higher",
        "rows/s",
        "number",
        "Training rows per second of training steps.",
        "cost to train",
    ),
    Metric(
        "trained_tokens",
        "Learnt tokens",
        "none",
        "",
        "count",
        "Tokens that the loss was on, over all steps; of a classification, labels.",
        "cost to train",
    ),
    Metric(
        "sampled_tokens",
        "Sampled tokens",
        "lower",
        "",
        "count",
        "Tokens that the model drew before training, to learn from its own answers.",
        "cost to train",
    ),
    Metric(
        "sampling_seconds",
        "Sampling",
        "lower",
        "s",
        "seconds",
        "Time that drawing them took.",
        "cost to train",
    ),
    Metric(
        "train_joules",
        "Energy",
        "lower",
        "J",
        "number",
        "What the processor's package or the GPU counted while training steps were made; other work there is in it.",
        "cost to train",
    ),
    Metric(
        "latency_ms_p50",
        "Latency",
        "lower",
        "ms",
        "ms",
        "Median time to answer one text, batch 1, nothing else running; a generated answer has 16 tokens here.",
        "cost to serve",
    ),
    Metric(
        "latency_ms_p95",
        "Latency, slow",
        "lower",
        "ms",
        "ms",
        "95 of 100 answers come at least this fast.",
        "cost to serve",
    ),
    Metric(
        "latency_ratio",
        "Latency, ×",
        "lower",
        "×",
        "ratio",
        "Latency against the base model measured in turn.",
        "cost to serve",
    ),
    Metric(
        "first_token_ms",
        "First token",
        "lower",
        "ms",
        "ms",
        "Median time until a generated answer begins.",
        "cost to serve",
    ),
    Metric(
        "token_ms",
        "Per token",
        "lower",
        "ms",
        "ms",
        "Median time for each further token of a generated answer.",
        "cost to serve",
    ),
    Metric(
        "merged_latency_ratio",
        "merged",
        "lower",
        "×",
        "ratio",
        "The same after the method's weights are merged into the base.",
        "cost to serve",
    ),
    Metric(
        "adapter_bytes",
        "Size",
        "lower",
        "",
        "bytes",
        "Everything needed to restore the result, apart from the base.",
        "cost to serve",
    ),
    Metric(
        "stored_weight_bytes",
        "Weights",
        "lower",
        "",
        "bytes",
        "Memory that the weights take to answer, base and method together; word embeddings, output layer and head, which no"
        " method here makes smaller, are left out.",
        "cost to serve",
    ),
    Metric(
        "weight_bits",
        "Bits",
        "lower",
        "",
        "number",
        "Bits that one weight of the big matrices is worth, scales included; a machine may keep it in more.",
        "cost to serve",
    ),
)


# Where every run keeps its weights at full width, these say the same of all.
OF_FEW_BITS = ("stored_weight_bytes", "weight_bits")


def metric(name: str) -> Metric:
    """The metric of that name; KeyError when there is none."""
    return _BY_NAME[name]


_BY_NAME = {column.name: column for column in COLUMNS}
