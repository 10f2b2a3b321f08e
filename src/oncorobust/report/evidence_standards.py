"""Standards and guidelines of the evidence matrix: issuer and number, title, and year or status.

Topics in the matrix are in our own words, and no text of a standard is copied. Titles and years were checked against
the issuers' catalogues or the published papers.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Standard:
    """A standard, guideline, law or programme. year: with its status where it is no final document."""

    name: str
    title: str
    year: str


OVERVIEW = Standard(
    "ISO/IEC TR 24029-1",
    "Artificial Intelligence (AI) — Assessment of the robustness of neural networks — Part 1: Overview",
    "2021",
)
FORMAL = Standard(
    "ISO/IEC 24029-2",
    "Artificial intelligence (AI) — Assessment of the robustness of neural networks — Part 2: Methodology for the use "
    "of formal methods",
    "2023",
)
STATISTICAL = Standard(
    "ISO/IEC DIS 24029-3",
    "Artificial intelligence (AI) — Assessment of the robustness of neural networks — Part 3: Methodology for the use "
    "of statistical methods",
    "2025, draft",
)
CLAIM = Standard(
    "CLAIM",
    "Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update (doi 10.1148/ryai.240300)",
    "2024",
)
FUTURE_AI = Standard(
    "FUTURE-AI",
    "FUTURE-AI: international consensus guideline for trustworthy and deployable artificial intelligence in healthcare "
    "(doi 10.1136/bmj-2024-081554)",
    "2025",
)
FDA = Standard(
    "FDA draft guidance",
    "Artificial Intelligence-Enabled Device Software Functions: Lifecycle Management and Marketing Submission "
    "Recommendations",
    "January 2025, draft",
)
AAMI = Standard("AAMI CR515", "Cybersecurity considerations unique to machine learning-enabled medical devices", "2025")
AI_ACT = Standard(
    "Regulation (EU) 2024/1689, Article 15",
    "Artificial Intelligence Act: Accuracy, robustness and cybersecurity",
    "2024",
)
ARCH_AI = Standard("ACR ARCH-AI", "ACR Recognized Center for Healthcare-AI", "2024")
