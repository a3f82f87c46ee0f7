"""The sample repositories: those that `tokenward dev` knows by name, and two more for libraries.

    acme/open-1b       model, public
    acme/secret-70b    model, private: 12 files of a few KB and one in LFS, for a long download
    acme/gated-8b      model, gated
    acme/tiny-bert     model, public: config and tokenizer, loadable without torch
    ada/notes          dataset, private: one CSV
    linus/demo         space, public
"""

import hashlib
import json
import random

from .lfs import pointer

WEIGHTS = random.Random(1).randbytes(300_000)
SHARDS = 12
CSV = b"word,count\nada,3\ngrace,5\nlinus,8\n"
WORDS = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "hello", "world"]


def tokenizer():
    """Whole words, split at whitespace: the least that `AutoTokenizer` loads."""
    special = [
        {"id": i, "content": word, "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for i, word in enumerate(WORDS)
        if word.startswith("[")
    ]
    vocabulary = {word: i for i, word in enumerate(WORDS)}
    whole = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    }
    named = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    named |= {"pad_token": "[PAD]", "mask_token": "[MASK]"}
    config = {
        "model_type": "bert",
        "architectures": ["BertModel"],
        "vocab_size": len(WORDS),
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "intermediate_size": 8,
    }
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64}
    files = {"config.json": config, "tokenizer.json": whole, "tokenizer_config.json": kind | named}
    return {path: json.dumps(value).encode() for path, value in files.items()}


def shards():
    chance = random.Random(2)
    return {f"parts/shard-{i:02}.json": chance.randbytes(2_000).hex().encode() for i in range(SHARDS)}


def fill(repos):
    oid = hashlib.sha256(WEIGHTS).hexdigest()
    repos.object_path(oid).write_bytes(WEIGHTS)
    weights = {"model.bin": pointer(oid, len(WEIGHTS))}
    card = {"README.md": b"---\nlicense: apache-2.0\n---\n# A sample\n"}
    small = card | {"config.json": b'{"model_type": "bert"}'}

    def make(kind, name, files, **flags):
        repo = repos.create(kind, name, **flags)
        if repo:
            repo.commit("refs/heads/main", "the sample", files)

    make("models", "acme/open-1b", small)
    make("models", "acme/secret-70b", small | shards() | weights, private=True)
    make("models", "acme/gated-8b", small | weights, gated=True)
    make("models", "acme/tiny-bert", card | tokenizer())
    make("datasets", "ada/notes", {"README.md": b"# Notes\n", "notes.csv": CSV}, private=True)
    make("spaces", "linus/demo", {"README.md": b"# Demo\n", "app.py": b"print('demo')\n"})
