"""Each sample application behind the gateway, as its template says."""

import os
import shutil
from pathlib import Path

import pytest

from bridge.local.settings import SourceSettings
from bridge.local.template import read_template
from tests.integration.gateway import RunningGateway
from tests.integration.sample_apps import SAMPLE_APPS
from tests.integration.servers import free_port

NAMES = sorted(path.parent.name for path in SAMPLE_APPS.glob("*/template.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_runs(name: str, tmp_path: Path) -> None:
    if name == "node_site" and shutil.which("node") is None:
        pytest.skip("There is no node here.")
    template = read_template(str(SAMPLE_APPS / name / "template.yaml"))
    environ = {
        **template.environ,
        "ALBUM_DATABASE": str(tmp_path / "album.db"),
        "ALBUM_SECRET_KEY": "0123456789abcdef0123456789abcdef",
        "AWS_LWA_PORT": str(free_port()),
        "MAIL_FOLDER": str(tmp_path),
        "NOTES_DATABASE": str(tmp_path / "notes.db"),
        "PATH": os.environ["PATH"],
    }
    sources = [
        SourceSettings(name=source.name, stage=source.stage, is_streamed=source.is_streamed, routes=source.routes)
        for source in template.sources
    ]
    with RunningGateway(
        template.handler or "app.handler",
        *sources,
        environ=environ,
        folder=Path(template.folder),
        is_streamed=template.is_streamed,
        memory=template.memory,
    ) as local:
        paths = [f"/{source.stage}/" if source.stage else "/" for source in sources]
        answers = [local.get(path, number) for number, path in enumerate(paths)]
    assert [answer.status_code for answer in answers] == [200] * len(sources)
