"""The model organism: a small Qwen2 pretrained to have exactly the strategies that a spec describes.

`spec` says what the organism should be, `text` writes its pretraining text, `law` gives that text's distribution,
`tokenizer` reads it, `pretrain` trains, measures and saves it. `default/` holds the one that ships: weights
(safetensors), tokenizer, spec, seed and SHA-256. `specs/` describes the published model families, to be pretrained.
"""
