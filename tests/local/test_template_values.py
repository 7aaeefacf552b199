"""The values in a template: CloudFormation's functions, as far as they are known here."""

from pathlib import Path
from typing import Any

from bridge.local.template_document import read_document
from bridge.local.template_values import Unknown, Values
from tests.cases import every_case

TEMPLATE = """
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Level: {Type: String, Default: debug}
  Secret: {Type: String}
  Path: {Type: "AWS::SSM::Parameter::Value<String>", Default: /shop/level}
  List: {Type: CommaDelimitedList, Default: "a,b"}
Mappings:
  Sizes: {debug: {Memory: 256}, prod: {Memory: 1024}}
Conditions:
  IsDebug: !Equals [!Ref Level, debug]
  IsProd: !Not [!Condition IsDebug]
  Both: !And [!Condition IsDebug, !Condition IsProd]
  Either: !Or [!Condition IsDebug, !Condition IsProd]
  HasSecret: !Not [!Equals [!Ref Secret, ""]]
  Circle: !Not [!Condition Circle]
"""


def values(tmp_path: Path) -> Values:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    document = read_document(str(tmp_path / "template.yaml"))
    assert document["AWSTemplateFormatVersion"] == "2010-09-09"
    return Values(document, region="eu-north-1")


@every_case(
    ("value", "expected"),
    [
        ("text", "text"),
        ({"Ref": "Level"}, "debug"),
        ({"Ref": "List"}, ["a", "b"]),
        ({"Ref": "AWS::Region"}, "eu-north-1"),
        ({"a": {"Ref": "AWS::NoValue"}, "b": [{"Ref": "AWS::NoValue"}, 1]}, {"b": [1]}),
        ({"Fn::Sub": "${Level}-${!Literal}-${AWS::AccountId}"}, "debug-${Literal}-123456789012"),
        ({"Fn::Sub": ["${Own}/${Level}", {"Own": {"Ref": "Level"}}]}, "debug/debug"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Level"}]]}, "a-debug"),
        ({"Fn::Join": ["-", {"Ref": "List"}]}, "a-b"),
        ({"Fn::Select": [1, {"Fn::Split": [".", "a.b"]}]}, "b"),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Level"}, "Memory"]}, 256),
        ({"Fn::If": ["IsDebug", {"Ref": "Level"}, 2]}, "debug"),
        ({"Fn::If": ["IsProd", 1, {"a": {"Ref": "Level"}}]}, {"a": "debug"}),
        ({"Fn::If": ["Both", 1, 2]}, 2),
        ({"Fn::If": ["Either", 1, 2]}, 1),
    ],
)
def test_what_is_known(value: Any, expected: Any, tmp_path: Path) -> None:
    assert values(tmp_path).resolve(value) == expected


@every_case(
    ("value", "resource"),
    [
        ({"Ref": "Secret"}, "Secret"),
        ({"Ref": "Path"}, "Path"),
        ({"Ref": "AWS::StackName"}, "AWS::StackName"),
        ({"Fn::GetAtt": "Table.Arn"}, "Table"),
        ({"Fn::GetAtt": ["Table", "Arn"]}, "Table"),
        ({"Fn::Sub": "x-${Secret}"}, None),
        ({"Fn::Join": [",", ["a", {"Ref": "Secret"}]]}, None),
        ({"Fn::If": ["HasSecret", 1, 2]}, None),
        ({"Fn::If": ["Circle", 1, 2]}, None),
        ({"Fn::If": ["Nothing", 1, 2]}, None),
        ({"Fn::FindInMap": ["Sizes", "other", "Memory"]}, None),
        ({"Fn::ImportValue": "shared"}, None),
        ({"Fn::Select": ["x", "y"]}, None),
    ],
)
def test_what_only_a_deployment_has(value: Any, resource: str | None, tmp_path: Path) -> None:
    found = values(tmp_path).resolve(value)
    assert isinstance(found, Unknown)
    assert resource is None or found.resource == resource


@every_case(
    ("name", "expected"), [(None, True), ("IsDebug", True), ("IsProd", False), ("HasSecret", True), ("Circle", True)]
)
def test_a_resource_is_there_unless_its_condition_is_known_not_to_hold(
    name: str | None, expected: bool, tmp_path: Path
) -> None:
    assert values(tmp_path).holds(name) is expected
