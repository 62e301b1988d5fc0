"""Links between the documents lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")})
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
"""A link within the repository: its file, which is empty for the same one, and its heading."""


def text_of(document: Path) -> str:
    """What is prose: examples may hold what looks like a link."""
    return re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(document: Path) -> set[str]:
    """The headings, as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.+)$", text_of(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_a_file_and_a_heading(document: Path) -> None:
    for name, anchor in LINK.findall(text_of(document)):
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), f"{document.name} links to {name}"
        assert not anchor or anchor in anchors(target), f"{document.name} links to {name}#{anchor}"


def test_there_are_links_to_look_at() -> None:
    assert sum(len(LINK.findall(text_of(document))) for document in DOCUMENTS) > 50
