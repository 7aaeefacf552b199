"""The policy that decides which connection may be used again."""

import pytest

from bridge.proxy.restore import NEVER_AGAIN, ConnectionPolicy, connection_policy
from bridge.snapstart import RestoreWatch


def test_it_asks_for_a_restore_once_for_every_request_that_could_reuse_a_connection() -> None:
    asked: list[int] = []

    def restored() -> bool:
        asked.append(1)
        return len(asked) > 1

    policy = ConnectionPolicy(idle_timeout=4, restored=restored)
    assert [policy.may_reuse(), policy.may_reuse()] == [True, False]
    assert NEVER_AGAIN.may_reuse() is False
    assert ConnectionPolicy(idle_timeout=0, restored=restored).may_reuse() is False
    assert len(asked) == 2
    assert ConnectionPolicy(idle_timeout=0.5).may_reuse() is True


def test_an_environment_pools_until_a_restore_and_never_under_snapstart(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = RestoreWatch()
    policy = connection_policy(4, watch)
    assert (policy.idle_timeout, policy.may_reuse()) == (4, True)
    watch.tell("the runtime said so")
    assert policy.may_reuse() is False
    assert connection_policy(0, RestoreWatch()).may_reuse() is False
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")
    assert connection_policy(4, RestoreWatch()).may_reuse() is False
