"""What `oncorobust manifest` prints of a proposal."""

from oncorobust.data.file_sheet import describe_values
from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.facts import count_table, describe_files
from oncorobust.formats.proposals.request import Notes
from oncorobust.formats.proposals.sample import Sample

_MOST_REFUSED = 5


def report_lines(catalogue: Catalogue, notes: Notes, sample: Sample) -> list[str]:
    """Return the lines: what the folder is, counts, sizes, what was left out or refused, and what is unsure."""
    images = [image for one in sample.images.values() for image in one]
    lines = [f"found: {notes.found}", *describe_files(catalogue, notes)]
    lines += describe_values(images) if images else []
    if sample.synthetic:
        lines.append("SYNTHETIC images")
    lines += ["", *count_table(catalogue), ""]
    lines += [f"note: {text}" for text in notes.told]
    for reason, count in notes.left_out.items():
        lines.append(f"left out: {count:,} {reason}")
        if examples := notes.examples.get(reason):
            lines.append(f"    {', '.join(examples)}{', ...' if count > len(examples) else ''}")
    lines += [f"the reader refuses: {text}" for text in sample.refused[:_MOST_REFUSED]]
    if len(sample.refused) > _MOST_REFUSED:
        lines.append(f"the reader refuses: {len(sample.refused) - _MOST_REFUSED} more of the images read")
    return [*lines, "unsure:", *(f"  - {text}" for text in notes.unsure)]
