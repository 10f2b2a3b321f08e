"""Weights from .safetensors: copied exactly, differences named, and pickles never opened."""

import pickle
import re
import struct
import warnings
from pathlib import Path
from typing import Any

import pytest
from torch_modules import Convolutional, nn, seeded, torch

from oncorobust.base.errors import InputError
from oncorobust.models.weight_files import load_weights

save_file = pytest.importorskip("safetensors.torch", reason="pip install safetensors").save_file


def saved(folder: Path, tensors: dict[str, Any], name: str = "a.safetensors") -> Path:
    save_file({key: one.contiguous() for key, one in tensors.items()}, folder / name)
    return folder / name


def other() -> nn.Module:
    torch.manual_seed(5)
    return Convolutional()


def agree(module: nn.Module, state: dict[str, Any]) -> bool:
    return all(torch.equal(one, state[name]) for name, one in module.state_dict().items())


def test_weights_are_copied_and_the_file_says_nothing(tmp_path):
    source, module = seeded(Convolutional), other()
    source.features[1].num_batches_tracked += 7
    assert not agree(module, source.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_weights(module, saved(tmp_path, source.state_dict()))
    assert agree(module, source.state_dict())


def test_integers_may_be_missing(tmp_path):
    source, module = seeded(Convolutional), other()
    module.features[1].num_batches_tracked += 3
    state = {name: one for name, one in source.state_dict().items() if one.is_floating_point()}
    load_weights(module, saved(tmp_path, state))
    assert agree(module, module.state_dict() | state)
    assert module.features[1].num_batches_tracked == 3


@pytest.mark.parametrize("prefix", ["module.", "model.", "model.module.", "_orig_mod.", "net."])
def test_the_prefix_of_a_wrapper_is_removed_and_told(tmp_path, prefix):
    source, module = seeded(Convolutional), other()
    path = saved(tmp_path, {prefix + name: one for name, one in source.state_dict().items()})
    with pytest.warns(UserWarning, match=f"the beginning '{prefix}' of all names is removed: {path}"):
        load_weights(module, path)
    assert agree(module, source.state_dict())


def test_a_modules_own_name_is_no_prefix(tmp_path):
    source, module = (nn.ModuleDict({"model": one}) for one in (seeded(Convolutional), other()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_weights(module, saved(tmp_path, source.state_dict()))
    assert agree(module, source.state_dict())


@pytest.mark.parametrize("prefix", ["ema.model", "ema.model."])
def test_a_given_prefix_leaves_other_tensors_out(tmp_path, prefix):
    source, module = seeded(Convolutional), other()
    state = {f"ema.model.{name}": one for name, one in source.state_dict().items()} | {"loss.weight": torch.ones(2)}
    path = saved(tmp_path, state)
    with pytest.warns(UserWarning, match=r"tensors without the prefix 'ema\.model\.' are left out: loss\.weight: "):
        load_weights(module, path, prefix=prefix)
    assert agree(module, source.state_dict())
    assert "whose names begin with 'student.', got " in refused(module, path, prefix="student")


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32_with_a_warning(tmp_path, kind):
    state = {
        name: one.to(kind) if one.is_floating_point() else one
        for name, one in seeded(Convolutional).state_dict().items()
    }
    module, path = other(), saved(tmp_path, state)
    with pytest.warns(UserWarning, match=f"weights are converted from {str(kind).removeprefix('torch.')} to float32"):
        load_weights(module, path)
    assert agree(module, {name: one.float() if one.is_floating_point() else one for name, one in state.items()})
    assert {one.dtype for one in module.parameters()} == {torch.float32}


def refused(module: nn.Module, path: Path, **settings: Any) -> str:
    before = {name: one.clone() for name, one in module.state_dict().items()}
    with pytest.raises(InputError) as error:
        load_weights(module, path, **settings)
    assert str(path) in str(error.value)
    assert agree(module, before), "a refused file changes nothing"
    return str(error.value)


def without(state: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: one for name, one in state.items() if name not in names}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda state: without(state, "head.bias") | {"head.b": torch.ones(3), "x": torch.ones(1)},
            r"weights of Convolutional, got 1 tensors missing \(head\.bias\); 2 unexpected \(head\.b, x\); these may "
            r"be weights of another network",
        ),
        (
            lambda _: {f"layer{number}": torch.ones(1) for number in range(5)},
            r"14 tensors missing \(features\.0\.weight, features\.0\.bias, features\.1\.weight and 11 more\); 5 unexp",
        ),
        (
            lambda state: state | {"head.weight": torch.ones(7, 48), "head.bias": torch.ones(7)},
            r"2 of another shape \(head\.weight \(7, 48\) for \(3, 48\), head\.bias \(7,\) for \(3,\)\); the network "
            r"was trained for 7 classes, not 3",
        ),
        (
            lambda state: state | {"features.0.weight": torch.ones(8, 1, 3, 3)},
            r"the network was trained for images of 1 channels, not 3",
        ),
        (
            lambda state: state | {"features.0.weight": torch.ones(8, 3, 3, 3, 3)},
            r"1 of another shape \(features\.0\.weight .*; these are weights of a network for volumes, not for 2D",
        ),
        (
            lambda state: state | {"head.weight": torch.ones(3, 48, dtype=torch.int8)},
            r"1 of another type \(head\.weight I8\); the file may hold quantised weights",
        ),
        (
            lambda state: state | {"head.weight": torch.ones(3, 48).to(torch.float8_e4m3fn)},
            r"1 of another type \(head\.weight F8_E4M3\); the file may hold quantised weights",
        ),
        (
            lambda state: {f"model.{name}": one for name, one in state.items()} | {"loss.weight": torch.ones(1)},
            r"some names begin with 'model\.': set the prefix to 'model\.'",
        ),
        (
            lambda state: {f"encoder.{name}": one for name, one in state.items()},
            r"unexpected \(encoder\..* and 14 more\); some names begin with 'encoder\.': set the prefix to 'encoder\.'",
        ),
        (
            lambda state: state | {"features.0.weight": torch.ones(8, 3, 5, 5)},
            r"1 of another shape \(.*\); these may be weights of another network, or of one with other arguments",
        ),
        (
            lambda state: (
                state | {f"blocks.0.{name}.weight": torch.ones(1) for name in ("cross_attn", "norm_cross_attn")}
            ),
            r"got 2 unexpected \(.*\); an older MONAI saved tensors that ViT does not use: leave out those with",
        ),
        (
            lambda state: state | {"head.bias": torch.tensor([0.0, torch.nan, 0.0])},
            r"expected finite weights, got NaN or infinity in tensor 'head\.bias'",
        ),
        (
            lambda state: state | {"features.1.running_var": torch.full((8,), torch.inf)},
            r"got NaN or infinity in tensor 'features\.1\.running_var'",
        ),
        (
            lambda state: state | {"head.bias": torch.full((3,), 1e300, dtype=torch.float64)},
            r"got NaN or infinity in tensor 'head\.bias'",
        ),
        (lambda _: {}, r"tensors missing \(features\.0\.weight, "),
    ],
)
@pytest.mark.filterwarnings("ignore:weights are converted")
def test_weights_that_do_not_fit_are_refused_by_name(tmp_path, change, says):
    path = saved(tmp_path, change(seeded(Convolutional).state_dict()))
    assert re.search(says, refused(other(), path))


class Marker:
    """A pickle of it makes a file when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def planted(path: Path, marker: Path, kind: str) -> Path:
    match kind:
        case "pickle":
            path.write_bytes(pickle.dumps({"state_dict": Marker(marker)}))
        case "first protocol":
            path.write_bytes(pickle.dumps({"state_dict": Marker(marker)}, protocol=0))
        case "zip":
            torch.save({"state_dict": Marker(marker)}, path)
        case "legacy":
            torch.save({"state_dict": Marker(marker)}, path, _use_new_zipfile_serialization=False)
    return path


ENDINGS = ("pt", "pth", "ckpt", "bin", "pkl", "pickle", "ts", "pth.tar", "safetensors", "SAFETENSORS", "weights", "PT")


@pytest.mark.parametrize("kind", ["pickle", "first protocol", "zip", "legacy"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_pickle_is_never_opened_whatever_its_name(tmp_path, kind, ending):
    marker = tmp_path / "opened"
    path = planted(tmp_path / f"model.{ending}", marker, kind)
    says = refused(other(), path)
    assert not marker.exists()
    if kind != "first protocol" or ending.lower() not in ("safetensors", "weights"):
        assert "are never opened, because that can run code. Convert it where you trust it:\nimport torch" in says


def test_the_marker_would_have_been_set(tmp_path):
    pickle.loads(planted(tmp_path / "a.pkl", tmp_path / "opened", "pickle").read_bytes())  # noqa: S301  our own marker
    assert (tmp_path / "opened").exists()


@pytest.mark.parametrize("nested", [False, True])
def test_the_way_out_of_a_pickle_works(tmp_path, nested):
    source, module = seeded(Convolutional), other()
    state = source.state_dict()
    path = tmp_path / "model.pt"
    torch.save({"state_dict": state} if nested else state, path)
    exec(refused(module, path).split("trust it:\n")[1])
    load_weights(module, tmp_path / "model.safetensors")
    assert agree(module, state)


def test_a_header_that_begins_like_a_pickle_is_read(tmp_path):
    """A header of 640 bytes is written 0x80 0x02 ..., as a pickle of protocol 2 begins."""
    source, module = nn.Linear(2, 2), nn.Linear(2, 2)
    content = saved(tmp_path, source.state_dict()).read_bytes()
    header = content[8 : 8 + struct.unpack("<Q", content[:8])[0]]
    path = tmp_path / "b.safetensors"
    path.write_bytes(struct.pack("<Q", 640) + header.ljust(640) + content[8 + len(header) :])
    assert path.read_bytes()[:2] == b"\x80\x02"
    load_weights(module, path)
    assert agree(module, source.state_dict())


def test_files_that_are_cut_off_or_of_another_kind(tmp_path):
    whole = saved(tmp_path, seeded(Convolutional).state_dict()).read_bytes()
    path = tmp_path / "b.safetensors"

    def says(content: bytes) -> str:
        path.write_bytes(content)
        return refused(other(), path)

    assert "got an empty file" in says(b"")
    assert "got a file of another kind" in says(whole[:5])
    assert re.search(r"got a file that is cut off \(a header of \d+ bytes in 60 bytes\)", says(whole[:60]))
    assert "that is cut off or has a wrong header" in says(whole[:-4])
    assert "that is cut off or has a wrong header" in says(whole + b"\0")
    assert "that is cut off or has a wrong header" in says(whole.replace(b'"F32"', b'"F99"', 1))
    assert "got a pointer of Git LFS without the content" in says(b"version https://git-lfs.github.com/spec/v1\noid")
    assert "got a file of another kind" in says(b"\x89HDF\r\n\x1a\n" + bytes(50))
    assert "got no such file" in refused(other(), tmp_path / "none.safetensors")
    assert "got no such file" in refused(other(), tmp_path)
    path.write_bytes(whole)
    renamed = path.rename(tmp_path / "b.weights")
    assert "expected a file whose name ends in .safetensors, got " in refused(other(), renamed)
