"""transformers and datasets, which ask for many files that aren't there."""

import pytest


@pytest.fixture
def version():
    """They are installed beside the newest client only."""
    return "newest"


def test_from_pretrained(client):
    code = (
        "from transformers import AutoConfig, AutoTokenizer\n"
        "print(AutoConfig.from_pretrained('acme/tiny-bert').hidden_size)\n"
        "print(AutoTokenizer.from_pretrained('acme/tiny-bert')('hello world')['input_ids'])\n"
    )
    assert client().python(code).ok().splitlines() == ["8", "[5, 6]"]


def test_load_dataset(client):
    code = (
        "from datasets import load_dataset\n"
        "print(load_dataset('ada/notes', split='train')['word'][:])\n"
        "print([row['count'] for row in load_dataset('ada/notes', split='train', streaming=True)])\n"
    )
    assert client().python(code).ok().splitlines() == ["['ada', 'grace', 'linus']", "[3, 5, 8]"]
