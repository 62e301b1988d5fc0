"""The registry keeps what was pushed, and what runs."""

import json

from tests.support.cloudformation import resolved, template


def test_an_image_is_what_it_was_when_it_was_pushed() -> None:
    repository = resolved(template("registry.yaml"))["Repository"]

    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert repository["EncryptionConfiguration"] == {"EncryptionType": "AES256"}


def test_the_newest_images_are_kept_whatever_number_of_platforms_each_has() -> None:
    repository = resolved(template("registry.yaml"), KeptImages="12")["Repository"]
    rules = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]

    assert [rule["selection"] for rule in sorted(rules, key=lambda rule: int(rule["rulePriority"]))] == [
        {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 7},
        # A push for two platforms has three manifests, of which only the index has a tag.
        {
            "tagStatus": "tagged",
            "tagPatternList": ["*"],
            "countType": "imageCountMoreThan",
            "countNumber": 12,
        },
    ]
    assert {rule["action"]["type"] for rule in rules} == {"expire"}
