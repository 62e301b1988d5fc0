"""docs/deploy.md says what the templates say."""

import re
from xml.etree import ElementTree as ET

import pytest

from tests.support.cloudformation import DEPLOY, template

DOCS = DEPLOY.parent / "docs"
TEXT = (DOCS / "deploy.md").read_text()
SERVICE = template("service.yaml")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.+?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))


def rows(section: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_parameter_is_explained_in_the_template_s_words() -> None:
    documented = {name.strip("`"): (default.strip("`"), words) for name, default, words in rows("Parameters")}

    assert documented == {
        name: (str(item.get("Default", "required")), item["Description"].strip())
        for name, item in SERVICE["Parameters"].items()
    }


def test_parameters_are_grouped_for_the_console() -> None:
    groups = SERVICE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]

    assert sorted(grouped) == sorted(SERVICE["Parameters"])


def test_every_step_of_the_post_has_something_that_exists() -> None:
    there = (
        set(SERVICE["Resources"]) | set(template("registry.yaml")["Resources"]) | set(SERVICE["Parameters"])
    )

    steps = [re.findall(r"`([A-Z][A-Za-z]+)`", cell) for _, cell in rows("The post's steps")]
    assert {name for names in steps for name in names} <= there
    assert sum(map(bool, steps)) == len(steps) - 2  # the Dockerfile and the client are no resources


def test_the_times_are_those_of_the_mapping() -> None:
    table = {words.split(",")[0].strip("`"): cells for words, *cells in rows("Timing")}

    for column, preset in enumerate(("standard", "quick")):
        times = SERVICE["Mappings"]["Timing"][preset]
        said = {words: cells[column] for words, cells in table.items()}
        assert (
            said["health check: interval × threshold"]
            == f"{times['CheckInterval']} × {times['CheckThreshold']}"
        )
        assert said["ROUTEGUIDE_DRAIN_DELAY"] == str(times["DrainDelay"])
        assert said["ROUTEGUIDE_STOP_GRACE"] == str(times["StopGrace"])
        assert said["ROUTEGUIDE_STORAGE_TIMEOUT"] == str(times["StorageTimeout"])
        assert said["StopTimeout"] == str(times["StopTimeout"])
        assert said["ROUTEGUIDE_STREAM_MAX_AGE"] == str(times["StreamMaxAge"])
        assert said["deregistration delay"] == str(times["DeregistrationDelay"])


@pytest.mark.parametrize("output", sorted(set(re.findall(r"outputs? `(\w+)`", TEXT))))
def test_an_output_that_is_named_exists(output: str) -> None:
    assert output in SERVICE["Outputs"]


def test_the_diagram_is_well_formed_and_described() -> None:
    root = ET.parse(DOCS / "images" / "deployment.svg").getroot()  # noqa: S314  # our own file

    assert [child.tag.rpartition("}")[2] for child in root][:2] == ["title", "desc"]
    assert "prefers-color-scheme: dark" in (DOCS / "images" / "deployment.svg").read_text()


def test_the_image_declares_what_the_tasks_mount() -> None:
    dockerfile = (DEPLOY.parent / "docker" / "Dockerfile").read_text()
    container = SERVICE["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"][0]

    declared = " ".join(re.findall(r"^VOLUME (.+)$", dockerfile, re.MULTILINE))
    assert set(re.findall(r"/\w+", declared)) >= {
        mount["ContainerPath"] for mount in container["MountPoints"]
    }
    assert f"USER {container['User']}" in dockerfile
