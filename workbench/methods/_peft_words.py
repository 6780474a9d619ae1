"""Plain words about PEFT's tuners that have no file of their own: title, paper, learning rate, card.

Only words stand here: a tuner that is missing is offered all the same, with what its config class says of itself.
"""

from __future__ import annotations

from dataclasses import dataclass

# What holds for any tuner of its kind, where nothing better is known.
WEIGHT_USE = "when you want to compare it with LoRA on your own data: on most tasks the two come out close."
WEIGHT_COSTS = "the weights counted beside its name for this model; the model's own stay frozen."
WEIGHT_WATCH = "the learning rate, which was found on small models and may want a search on yours; its options are PEFT's own."
PROMPT_USE = "when one frozen model must serve many tasks, each with a handful of learned vectors."
PROMPT_COSTS = "a few thousand weights, and that many more positions to read for every answer."
PROMPT_WATCH = (
    "the size of the model: on small ones prompts stay behind LoRA. It can't be folded into the model."
)


@dataclass(frozen=True)
class Words:
    """What to say of one tuner; empty texts fall back on those of its kind."""

    title: str
    summary: str
    paper: str = ""
    learning_rate: float | None = None
    rate_by_width: bool = True  # false where what is trained are vectors or coefficients, no matrices
    use_it: str = ""
    costs: str = ""
    watch: str = ""
    mergeable: bool = (
        False  # measured: folded in, the answers are the same to 1e-4 (the contract tests check it)
    )
    stackable: bool = True  # several of its results can sit on one loaded base as PEFT loads them
    own_targets: bool = (
        False  # the method is about PEFT's own choice of modules, not about every linear layer
    )


WORDS = {
    "ADAMSS": Words(
        "AdaMSS",
        "Cut each weight matrix into groups of its main directions and learn a tiny update inside each group.",
        "https://openreview.net/forum?id=8ZdWmpYxT0",
        5e-3,
        costs="num_subspaces × subspace_rank small vectors for each adapted matrix, and a decomposition of every matrix at the start.",
        watch="large models: the decomposition at the start takes time. The pruning of groups while training is not used here.",
        mergeable=True,
    ),
    "ADAPTION_PROMPT": Words(
        "LLaMA-Adapter (adaption prompt)",
        "Give the attention of each layer a few learned tokens behind a gate that opens from zero.",
        "https://arxiv.org/abs/2303.16199",
        1e-2,
        use_it="on a Llama, Mistral or GPT-2 model that shall follow instructions without forgetting what it can.",
        costs="adapter_len × width weights and one gate in each layer, and a little more attention for every answer.",
        watch="the model: PEFT knows it for these three types only. It can't be folded into the model.",
        stackable=False,
    ),
    "BEFT": Words(
        "BEFT",
        "Add one learned number to each output of the value projections, and train nothing else.",
        "https://arxiv.org/abs/2509.15974",
        1e-2,
        use_it="when there are few examples and the adapter must be tiny.",
        costs="one number per value channel in each layer.",
        watch="hard tasks, for which a shift of the values is too little. It folds in only where the value projections have a bias term.",
        own_targets=True,
        rate_by_width=False,
    ),
    "CARTRIDGE": Words(
        "Cartridge",
        "Learn a short stretch of the model's own memory, keys and values of every layer, that stands before each text.",
        "https://arxiv.org/abs/2506.06266",
        1e-2,
        use_it="to put the content of a long document into a fixed memory; PEFT starts it from random values here, the paper from a text.",
        costs="tokens × layers × 2 × key width weights, and a little more attention for every answer.",
        watch="the random start, which the paper found to be its weak form. It can't be folded into the model.",
    ),
    "CPT": Words(
        "Context-aware prompt tuning",
        "Put example tokens in front of the text and move their vectors a little, never far from where they began.",
        "https://arxiv.org/abs/2410.17222",
        1e-2,
        use_it="with few examples, giving the tokens of some of them in cpt_token_ids; none given means words drawn at random.",
        costs="tokens × width weights, and that many more tokens to read for every answer.",
        watch="what the tokens say: it only refines them. It serves generation alone and can't be folded into the model.",
        stackable=False,
    ),
    "DEFT": Words(
        "DEFT",
        "Take a few learned directions out of each weight matrix and put newly learned content in their place.",
        "",
        6.3e-3,
        costs="r × (inputs + outputs) weights for each adapted matrix; folded in, it costs nothing when answering.",
        mergeable=True,
    ),
    "DELORA": Words(
        "DeLoRA",
        "A low-rank update whose size is learned apart from its direction and bounded.",
        "https://arxiv.org/abs/2503.18225",
        5e-4,
        use_it="when LoRA runs away at high learning rates: the bound delora_lambda keeps it near the base.",
        costs="r × (inputs + outputs) weights and one number for each adapted matrix; folded in, nothing when answering.",
        watch="delora_lambda: too small and it can't learn, too large and it is LoRA again.",
        mergeable=True,
    ),
    "FROD": Words(
        "FRoD",
        "Let all layers share frozen main directions and learn only how strongly, and how they turn into each other.",
        "https://doi.org/10.1609/aaai.v40i31.39813",
        6.3e-3,
        costs="one number per direction and a sparse share (sparse_rate) of a square matrix for each adapted matrix.",
        watch="the start: the shared directions are computed from all layers together, minutes on models of billions of weights.",
        mergeable=True,
    ),
    "GLORA": Words(
        "GLoRA",
        "Scale, shift and correct both weights and biases, each by its own small learned part.",
        "https://arxiv.org/abs/2306.07967",
        6.3e-3,
        costs="with the defaults about LoRA's weights twice over; config_A_B, config_C and config_D_E choose smaller forms.",
        mergeable=True,
    ),
    "GRALORA": Words(
        "GraLoRA",
        "Cut each weight matrix into blocks and give every block its own small low-rank update.",
        "https://arxiv.org/abs/2505.20355",
        2e-3,
        use_it="at high ranks, where plain LoRA stops getting better.",
        costs="r × (inputs + outputs) weights for each adapted matrix, as LoRA of the same r.",
        watch="the widths: r and every adapted width must divide by gralora_k.",
        mergeable=True,
    ),
    "HRA": Words(
        "HRA (Householder reflections)",
        "Turn each weight matrix by a chain of learned mirror reflections.",
        "https://arxiv.org/abs/2405.17484",
        2e-2,
        use_it="when what the model knows should be kept: a reflection changes directions, not lengths.",
        costs="r × inputs weights for each adapted matrix; training is slower than LoRA, folded in it costs nothing when answering.",
        watch="an odd r, which does not start as the unchanged model.",
        mergeable=True,
    ),
    "LILY": Words(
        "Lily",
        "Low-rank updates whose parts are shared between layers, mixed by a small router for each input.",
        "https://arxiv.org/abs/2407.09946",
        2e-3,
        use_it="when one adapter's weights should serve many layers.",
        costs="one first factor per stride_A layers, num_B second factors for all of them, and routers.",
        watch="speed: the mix depends on the input, so it can't be folded into the model.",
    ),
    "MULTITASK_PROMPT_TUNING": Words(
        "Multitask prompt tuning",
        "Prompt tuning with one prompt shared by all tasks and a small rank-one change of it for each.",
        "https://arxiv.org/abs/2303.02861",
        3e-2,
        use_it="to see whether the shared form learns better than prompt tuning; here there is one task.",
        costs="tokens × width weights and one row and column, and that many more tokens to read for every answer.",
        stackable=False,
    ),
    "OSF": Words(
        "OSF (orthogonal subspace)",
        "Full fine-tuning that leaves the main directions of each weight matrix untouched and moves the rest.",
        "https://arxiv.org/abs/2504.07097",
        1.6e-3,
        use_it="when the model will learn task after task and should not forget the first.",
        costs="about half of the adapted weights are trained: memory is near that of full fine-tuning.",
        watch="the start, a decomposition of every matrix, and the learning rate, which is that of full fine-tuning.",
        mergeable=True,
    ),
    "PEANUT": Words(
        "PEANuT",
        "Compute each weight matrix's update from the matrix itself by a small learned network.",
        "https://arxiv.org/abs/2410.01870",
        2e-3,
        use_it="when a plain low-rank update is too simple: between its two factors stands an activation.",
        costs="r × (inputs + outputs) weights for each adapted matrix, and clearly more time in training.",
        watch="scaling and the learning rate together: both set how large the update gets.",
        mergeable=True,
    ),
    "POLY": Words(
        "Poly",
        "A small stock of low-rank skills, mixed for each task by learned weights.",
        "https://arxiv.org/abs/2202.13914",
        2e-2,
        use_it="to see what several small updates do against one; here there is one task, so one mix is learned.",
        costs="n_skills times LoRA's weights of the same r.",
        watch="its point is sharing skills between tasks, which one task can't show. It can't be folded into the model.",
        own_targets=True,
        stackable=False,
    ),
    "PSOFT": Words(
        "PSOFT",
        "Turn only the main directions of each weight matrix, by a small learned rotation among them.",
        "https://openreview.net/forum?id=FSHrinMArK",
        6.3e-3,
        use_it="when what the model knows should be kept, at a fraction of OFT's cost.",
        costs="about r × r / 2 weights for each adapted matrix, and a decomposition of every matrix at the start.",
        watch="r, which must not exceed the smaller side of an adapted matrix.",
        mergeable=True,
    ),
    "PVERA": Words(
        "PVeRA",
        "VeRA with chance: shared random matrices, and learned vectors that say a mean and a spread.",
        "https://arxiv.org/abs/2512.07703",
        1e-2,
        use_it="when the adapter must be tiny and overfits.",
        costs="a few vectors for each adapted matrix; the random matrices are shared and can be drawn again.",
        watch="the noise in training; at answering time the mean is used unless sample_at_inference is on.",
        mergeable=True,
        rate_by_width=False,
    ),
    "SHADOW": Words(
        "ShadowPEFT",
        "A small copy of the model runs beside it and feeds corrections into every block.",
        "https://arxiv.org/abs/2604.19254",
        1e-3,
        use_it="when the correction should depend on the text and not on the weights alone.",
        costs="one block of the model's own shape and small parts for each block; answers take longer.",
        watch="it can't be folded into the model. The paper's extra loss on the small copy is not used: all methods train with the task's own.",
        own_targets=True,
        stackable=False,
    ),
    "SUPERTUNING": Words(
        "Super-Tuning",
        "Train only the largest single weights of each matrix and leave the others as they are.",
        "https://arxiv.org/abs/2607.09287",
        6.3e-3,
        use_it="when the change shall be sparse: sparsity 0.99 trains one weight in a hundred.",
        costs="(1 - sparsity) of each adapted matrix; folded in, it costs nothing when answering.",
        mergeable=True,
    ),
    "TINYLORA": Words(
        "TinyLoRA",
        "A low-rank update steered by a handful of numbers through fixed random tensors.",
        "https://arxiv.org/abs/2602.04118",
        3.2e-3,
        use_it="to find out how few numbers can change what a model does.",
        costs="u numbers for each adapted matrix, or u for all of them with weight_tying 1.",
        watch="supervised training: the paper needs reinforcement learning to make so few numbers enough.",
        mergeable=True,
        rate_by_width=False,
    ),
    "TRAINABLE_TOKENS": Words(
        "Trainable tokens",
        "Train the vectors of some chosen words of the vocabulary and nothing else.",
        "",
        5e-3,
        use_it="when new or special tokens must get a meaning: give their numbers in token_indices.",
        costs="width weights for each token.",
        watch="texts in which the tokens do not occur: there it changes nothing.",
        mergeable=True,
        stackable=False,
        rate_by_width=False,
    ),
    "UNILORA": Words(
        "Uni-LoRA",
        "All low-rank updates of the model are read from one short learned vector.",
        "https://arxiv.org/abs/2506.00799",
        1e-2,
        use_it="when the adapter must be as small as can be.",
        costs="theta_d_length numbers for the whole model; where each goes is drawn from proj_seed.",
        watch="theta_d_length: the default of 256 is very little for a hard task.",
        mergeable=True,
        rate_by_width=False,
    ),
    "VBLORA": Words(
        "VB-LoRA",
        "Build all low-rank updates from one learned bank of short vectors.",
        "https://arxiv.org/abs/2405.15179",
        5e-3,
        use_it="when the adapter on disk must be small.",
        costs="num_vectors × vector_length weights, and in training num_vectors numbers for each piece of an update.",
        watch="vector_length, which must divide every adapted width; left empty it is chosen for the model.",
        mergeable=True,
        rate_by_width=False,
    ),
    "WAVEFT": Words(
        "WaveFT",
        "Learn a few wavelet coefficients of each weight matrix's update.",
        "https://arxiv.org/abs/2505.12532",
        5e-4,
        use_it="when the adapter must be tiny and its size freely chosen.",
        costs="n_frequency numbers for each adapted matrix; folded in, it costs nothing when answering.",
        watch="scaling, which acts like a learning rate of its own.",
        mergeable=True,
        rate_by_width=False,
    ),
    "XLORA": Words(
        "X-LoRA",
        "Mix several trained LoRA adapters anew for every token, by a small learned network.",
        "https://arxiv.org/abs/2402.07148",
        1e-3,
        use_it="when LoRA adapters for several fields exist and one model shall use them all.",
        costs="a small network of xlora_depth layers; every answer runs the model twice.",
        watch="it needs LoRA adapters that were trained before, on the same base.",
    ),
}
