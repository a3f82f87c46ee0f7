"""The messages in proto/ext_authz are Envoy's, name by name and number by number."""

import pathlib

import children

HERE = pathlib.Path(__file__).parent


def test_our_messages_are_envoy_s(tmp_path):
    descriptors = children.ROOT / "proto" / "src" / "gen" / "descriptors.bin"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    python = children.CLIENTS / "bin" / "python"
    told = children.run([python, HERE / "compare_messages.py", descriptors], environment).ok()
    [compared] = told.splitlines()
    assert int(compared) > 50
