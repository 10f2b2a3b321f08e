"""The network of a MONAI bundle's configuration: what is read, and that nothing is evaluated."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from oncorobust.base.errors import InputError
from oncorobust.models.monai_bundles import read_bundle

DENSENET = {"_target_": "DenseNet121", "spatial_dims": 2, "in_channels": 3, "out_channels": 4}


def written(folder: Path, content: Any, name: str = "inference.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_the_network_is_read_and_the_expressions_elsewhere_are_not(tmp_path):
    marker = tmp_path / "evaluated"
    expression = f"$__import__('pathlib').Path({str(marker)!r}).touch()"
    content = {
        "imports": ["$import os"],
        "device": expression,
        "channels": "@sizes::image::0",
        "sizes": {"image": [3, 64, 64]},
        "blocks": [6, "@last"],
        "last": 2,
        "network_def": {
            "_target_": "DenseNet121",
            "_desc_": "a note",
            "spatial_dims": 2,
            "in_channels": "@channels",
            "out_channels": "@sizes#image#1",
            "block_config": "@blocks",
            "norm": ["group", {"num_groups": "@last"}],
            "dropout_prob": 0.1,
            "pretrained": False,
        },
        "network": "$@network_def.to(@device)",
        "train": {"_target_": "os.system", "command": "true"},
    }
    architecture, arguments = read_bundle(written(tmp_path, content))
    assert architecture == "DenseNet121"
    assert arguments == {
        "spatial_dims": 2,
        "in_channels": 3,
        "out_channels": 64,
        "block_config": [6, 2],
        "norm": ["group", {"num_groups": 2}],
        "dropout_prob": 0.1,
        "pretrained": False,
    }
    assert not marker.exists()


@pytest.mark.parametrize(
    ("key", "target", "architecture"),
    [
        ("network_def", "monai.networks.nets.DenseNet121", "DenseNet121"),
        ("net", "monai.networks.nets.densenet.densenet121", "DenseNet121"),
        ("network", "SEresnet50", "SEResNet50"),
        ("net", "monai.networks.nets.resnet.resnet18", "resnet18"),
    ],
)
@pytest.mark.parametrize("ending", ["json", "yaml", "YML"])
def test_spellings_of_a_network(tmp_path, key, target, architecture, ending):
    content = {key: {"_target_": target, "num_classes": 2}}
    assert read_bundle(written(tmp_path, content, f"a.{ending}")) == (architecture, {"num_classes": 2})


def test_yaml_of_a_bundle(tmp_path):
    text = "lr: $1e-3\nnetwork_def:\n  _target_: ViT\n  img_size: [32, 32]\n  patch_size: &p 8\n  num_heads: *p\n"
    assert read_bundle(written(tmp_path, text, "train.yaml")) == (
        "ViT",
        {"img_size": [32, 32], "patch_size": 8, "num_heads": 8},
    )


def refused(path: Path) -> str:
    with pytest.raises(InputError) as error:
        read_bundle(path)
    assert str(error.value).startswith(f"{path}: ")
    return str(error.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"in_channels": "$1 + 2"}, r"network_def\.in_channels: .* an expression '\$1 \+ 2': write the value itself"),
        ({"norm": ["group", {"n": "$3"}]}, r"network_def\.norm: expected a plain value, got an expression '\$3'"),
        ({"in_channels": "@hidden"}, r"network_def\.in_channels: .* got an expression '\$2': write the value"),
        ({"in_channels": "%other.json::a"}, r"network_def\.in_channels: .* a reference to a file '%other\.json::a'"),
        ({"in_channels": "@none"}, r"network_def\.in_channels: .* got '@none', which it does not have"),
        ({"in_channels": "@a"}, r"expected a plain value, got references in a circle: @a -> @b -> @a"),
        ({"_code_": "import os"}, r"network_def\._code_: .* got '_code_', an instruction that is not followed"),
        ({"_requires_": "@init"}, r"network_def\._requires_: .* an instruction that is not followed"),
        ({"_mode_": "callable"}, r"network_def\._mode_: "),
        ({"act": {"_target_": "torch.nn.ReLU"}}, r"network_def\.act\._target_: .* got '_target_', an instruction"),
        ({"act": "@object"}, r"network_def\.act\._target_: .* got '_target_', an instruction"),
        ({"_target_": "os.system"}, r"network_def\._target_: expected a network of monai\.networks\.nets, got 'os\.s"),
        ({"_target_": "$@kind"}, r"network_def\._target_: expected a network of monai\.networks\.nets, got '\$@kind'"),
        ({"_target_": "DenseNet122"}, r"_target_: expected a classification .* got 'DenseNet122' \(nearest: DenseNet1"),
        ({"_target_": "monai.networks.nets.UNet"}, r"_target_: expected a classification network of MONAI for 2D"),
        ({"_target_": 3}, r"network_def\._target_: expected a network of monai\.networks\.nets, got 3"),
        ({"norm": [[[[1]]]]}, r"network_def\.norm: expected at most 3 levels of lists, got more"),
    ],
)
def test_what_monai_would_evaluate_is_refused_by_name(tmp_path, changes, says):
    others = {"a": "@b", "b": "@a", "hidden": "$2", "object": {"_target_": "torch.nn.ReLU"}, "kind": "ViT"}
    assert re.search(says, refused(written(tmp_path, {"network_def": DENSENET | changes, **others})))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"model": DENSENET}, "expected a network under network_def, net, network, got model"),
        ({"network_def": "$DenseNet121()"}, r"network_def: expected a mapping with _target_, got '$DenseNet121()'"),
        ({"network_def": {"in_channels": 3}}, "network_def: expected a mapping with _target_, got {'in_channels': 3}"),
        ([DENSENET], "expected a mapping of names to values, got list"),
        ('{"network_def": {"_tar', "expected JSON or YAML, got JSONDecodeError"),
        ("[" * 100_000, "expected JSON or YAML, got RecursionError"),
    ],
)
def test_other_configurations_are_refused(tmp_path, content, says):
    assert says in refused(written(tmp_path, content))


def test_other_files_are_refused(tmp_path):
    marker = tmp_path / "made"
    tagged = f"network_def: !!python/object/apply:pathlib.Path.touch [{marker}]\n"
    assert "expected JSON or YAML, got ConstructorError" in refused(written(tmp_path, tagged, "a.yaml"))
    assert not marker.exists()
    assert "expected JSON or YAML, got UnicodeDecodeError" in refused(_bytes(tmp_path / "b.json", b"\xff\xfe\x00"))
    assert "expected a configuration of at most 1 MiB" in refused(_bytes(tmp_path / "c.json", b" " * (2**20 + 1)))
    assert "got no such file" in refused(tmp_path / "none.json")
    assert "such as configs/inference.json" in refused(_bytes(tmp_path / "model.pt", b""))


def _bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
