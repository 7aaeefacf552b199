"""What a SAM template says of a function."""

from pathlib import Path

import pytest

from bridge.local.settings import Route
from bridge.local.template import InvalidTemplate, TemplateSource, read_template

ROOT = Path(__file__).parents[2]

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Timeout: 20, MemorySize: 256, Environment: {Variables: {SHARED: "1", BOTH: shared}}}
Parameters:
  Level: {Type: String, Default: debug}
  Secret: {Type: String}
Resources:
  Shop:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src/
      Handler: shop.app
      Timeout: 7
      Environment:
        Variables:
          BOTH: own
          FLAG: true
          COUNT: 3
          LEVEL: !Ref Level
          SECRET: !Ref Secret
          TABLE: !GetAtt Table.Arn
          NAME: !Sub "${AWS::StackName}-x"
          LIST: !Join [",", [a, !Ref Secret]]
      FunctionUrlConfig: {AuthType: NONE, InvokeMode: RESPONSE_STREAM}
      Events:
        Http: {Type: HttpApi, Properties: {Path: "/users/{id}", Method: get}}
        Old: {Type: Api, Properties: {Path: /old, Method: ANY, RestApiId: !Ref Rest}}
        Nightly: {Type: Schedule, Properties: {Schedule: rate(1 day)}}
  Rest: {Type: AWS::Serverless::Api, Properties: {StageName: live}}
  Table: {Type: AWS::DynamoDB::Table}
"""


def test_a_template_has_everything(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    template = read_template(str(tmp_path / "template.yaml"))
    assert (template.name, template.handler, template.folder) == ("Shop", "shop.app", str(tmp_path / "src"))
    assert (template.timeout, template.memory, template.is_streamed) == (7, 256, True)
    assert template.environ == {"SHARED": "1", "BOTH": "own", "FLAG": "true", "COUNT": "3", "LEVEL": "debug"}
    assert template.skipped == ("SECRET", "TABLE", "NAME", "LIST")
    assert template.sources == (
        TemplateSource(name="function-url", is_streamed=True),
        TemplateSource(name="http-api", routes=(Route("GET", "/users/{id}"),)),
        TemplateSource(name="rest-api", stage="live", routes=(Route("ANY", "/old"),)),
    )


@pytest.mark.parametrize(
    ("text", "function", "fact"),
    [
        ("a: [", None, "not YAML"),
        ("- 1", None, "got list"),
        ("Resources: {}", None, "none"),
        (TEMPLATE, "Nobody", "'Nobody'"),
        (TEMPLATE + "  Other: {Type: AWS::Serverless::Function}\n", None, "--function"),
    ],
)
def test_what_is_not_a_function_is_an_error(text: str, function: str | None, fact: str, tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(text)
    with pytest.raises(InvalidTemplate, match=fact):
        read_template(str(tmp_path / "template.yaml"), function)


def test_a_template_runs_no_code(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text("Resources: !!python/object/apply:os.system ['false']")
    with pytest.raises(InvalidTemplate):
        read_template(str(tmp_path / "template.yaml"))


def test_the_sample_apps_templates_are_understood() -> None:
    found = {}
    for path in sorted(ROOT.glob("sample_apps/*/template.yaml")):
        template = read_template(str(path))
        found[path.parent.name] = (template.handler, *(source.name for source in template.sources))
    assert found == {
        "background_mail": ("app.app", "http-api"),
        "chat_stream": ("app.app", "function-url"),
        "flask_site": ("app.handler", "http-api"),
        "hello": ("app.handler", "function-url", "http-api", "rest-api"),
        "node_site": ("", "function-url"),
        "notes": ("app.handler", "http-api"),
    }
