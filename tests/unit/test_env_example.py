""".env.example, the README's and the guide's tables and the settings are one and the same list."""

import re
from pathlib import Path

import pytest

from routeguide.settings import Settings, variable

ROOT = Path(__file__).parents[2]


def lines_of_the_example() -> list[str]:
    """What .env.example must hold, after its introduction."""
    lines = []
    for field, info in Settings.model_fields.items():
        default = str(info.default).lower() if isinstance(info.default, bool) else f"{info.default}"
        lines += [f"# {info.description}", f"#{variable(field)}={default}", ""]
    return lines[:-1]


def test_env_example_is_the_settings() -> None:
    text = (ROOT / ".env.example").read_text()
    introduction, _, rest = text.partition("\n\n")

    assert all(line.startswith("# ") for line in introduction.splitlines())
    assert rest.splitlines() == lines_of_the_example()


@pytest.mark.parametrize("document", ["README.md", "docs/configuration.md"])
def test_every_setting_is_documented(document: str) -> None:
    documented = re.findall(
        r"^\| `(ROUTEGUIDE_\w+)` \| `([^`]*)` \|", (ROOT / document).read_text(), re.MULTILINE
    )

    assert dict(documented) == {
        variable(field): str(info.default).lower() if isinstance(info.default, bool) else f"{info.default}"
        for field, info in Settings.model_fields.items()
    }
