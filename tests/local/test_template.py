"""What a SAM template says of a function."""

import json
from pathlib import Path

import pytest

from bridge.local.settings import Cors, Route
from bridge.local.template import InvalidTemplate, Template, TemplateSource, read_template

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


def read(text: str, folder: Path, function: str | None = None, *, name: str = "template.yaml") -> Template:
    (folder / "src").mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return read_template(str(folder / name), function)


def test_a_template_has_everything(tmp_path: Path) -> None:
    template = read(TEMPLATE, tmp_path)
    assert (template.name, template.handler, template.folder) == ("Shop", "shop.app", str(tmp_path / "src"))
    assert (template.timeout, template.memory, template.is_streamed) == (7, 256, True)
    assert template.environ == {"SHARED": "1", "BOTH": "own", "FLAG": "true", "COUNT": "3", "LEVEL": "debug"}
    assert template.skipped == ("SECRET", "TABLE", "NAME", "LIST")
    assert template.sources == (
        TemplateSource(name="function-url", is_streamed=True),
        TemplateSource(name="http-api", routes=(Route("GET", "/users/{id}"),)),
        TemplateSource(name="rest-api", stage="live", routes=(Route("ANY", "/old"),), binary_media_types=()),
    )
    assert template.notes == (
        "No service sends the events of Nightly (Schedule): invoke the function with some of your own.",
    )


ONE = """
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      {}
"""


@pytest.mark.parametrize(
    ("text", "function", "fact"),
    [
        ("a: [", None, "not YAML"),
        ("- 1", None, "got list"),
        ("Resources: {}", None, "none"),
        (TEMPLATE, "Nobody", "'Nobody'"),
        (TEMPLATE + "  Other: {Type: AWS::Serverless::Function}\n", None, "--function"),
        ("Resources:\n  F:\n   - x: [\n", None, "line 4"),
        (ONE.format("Runtime: nodejs22.x"), None, "F has the runtime nodejs22.x"),
        (ONE.format("Timeout: soon"), None, "Timeout of F, but got 'soon'"),
        (ONE.format("CodeUri: missing"), None, "missing, which is not a folder"),
        (ONE.format("CodeUri: {Bucket: b, Key: k}"), None, "not on this machine"),
        (ONE.format("PackageType: Image"), None, "DockerContext"),
    ],
)
def test_what_cannot_be_run_is_an_error(text: str, function: str | None, fact: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidTemplate, match=fact):
        read(text, tmp_path, function)


def test_a_template_can_be_json(tmp_path: Path) -> None:
    properties = {"Handler": "a.b", "MemorySize": {"Fn::If": ["Small", 128, 512]}}
    document = {
        "Conditions": {"Small": {"Fn::Equals": [1, 2]}},
        "Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": properties}},
    }
    template = read(json.dumps(document, indent="\t"), tmp_path, name="template.json")
    assert (template.handler, template.memory) == ("a.b", 512)
    with pytest.raises(InvalidTemplate, match=r"not JSON.*line 1"):
        read("{", tmp_path, name="template.json")


PLAIN = """
Resources:
  Shop:
    Type: AWS::Lambda::Function
    Properties: {Handler: src/app.handler, Runtime: python3.13, Code: src, Timeout: 9, Layers: [x]}
  Url: {Type: AWS::Lambda::Url, Properties: {TargetFunctionArn: !GetAtt Shop.Arn, InvokeMode: RESPONSE_STREAM}}
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP}}
"""


def test_a_template_of_cloudformation_alone(tmp_path: Path) -> None:
    template = read(PLAIN, tmp_path)
    assert (template.handler, template.folder, template.timeout) == ("src/app.handler", str(tmp_path / "src"), 9)
    assert template.sources == (TemplateSource(name="function-url", is_streamed=True),)
    assert template.notes == (
        "The layers of the function are not there: install what is in them.",
        "Api (AWS::ApiGatewayV2::Api) is not read: --source puts such a service in front of the function.",
    )


APIS = """
Globals:
  Function: {Layers: [a]}
  Api: {BinaryMediaTypes: ["image~1png"]}
  HttpApi: {CorsConfiguration: true}
Parameters: {Stage: {Type: String, Default: v1}}
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      Handler: a.b
      Events:
        Rest: {Type: Api, Properties: {Path: "/{id}", Method: post}}
        Http: {Type: HttpApi, Properties: {ApiId: !Ref H, Path: /a, Method: GET, PayloadFormatVersion: "1.0"}}
        All: {Type: HttpApi, Properties: {ApiId: !Ref H}}
        Second: {Type: HttpApi, Properties: {ApiId: !Ref Other}}
        Queue: {Type: SQS, Properties: {Queue: x}}
  H: {Type: AWS::Serverless::HttpApi, Properties: {StageName: !Ref Stage, Auth: {DefaultAuthorizer: x}}}
"""


def test_the_apis_of_a_template(tmp_path: Path) -> None:
    template = read(APIS, tmp_path)
    assert template.sources == (
        TemplateSource(
            name="http-api-v1",
            stage="v1",
            routes=(Route("GET", "/a"), Route("ANY", "$default")),
            cors=Cors(allow_origins=("*",)),
        ),
        TemplateSource(
            name="rest-api", stage="Prod", routes=(Route("POST", "/{id}"),), binary_media_types=("image/png",)
        ),
    )
    assert [note.partition(" ")[2] for note in template.notes] == [
        "layers of the function are not there: install what is in them.",
        "event Second is of another API: only one is there.",
        "API H has Auth, which the gateway does not apply.",
        "service sends the events of Queue (SQS): invoke the function with some of your own.",
    ]


@pytest.mark.parametrize(
    ("properties", "dockerfile", "expected"),
    [
        ("", 'FROM x\nCMD ["old.one"]\ncmd [ "app.handler" ]\n', "app.handler"),
        ("ImageConfig: {Command: [own.handler]}", 'CMD ["app.handler"]', "own.handler"),
        ("", "CMD app.handler", ""),
        ("", "", ""),
    ],
)
def test_the_handler_of_an_image(properties: str, dockerfile: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "Dockerfile").write_text(dockerfile)
    text = ONE.format("PackageType: Image\n      " + properties) + "    Metadata: {DockerContext: src}\n"
    template = read(text, tmp_path)
    assert (template.handler, template.folder) == (expected, str(tmp_path / "src"))


def test_what_a_condition_leaves_out_is_not_there(tmp_path: Path) -> None:
    text = "Conditions: {Prod: !Equals [a, b]}\n" + ONE.format("Handler: a.b")
    other = "  G: {Type: AWS::Serverless::Function, Condition: Prod, Properties: {Handler: c.d}}\n"
    assert read(text + other, tmp_path).name == "F"


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
        "node_site": ("app.handler", "function-url"),
        "notes": ("app.handler", "http-api"),
    }
